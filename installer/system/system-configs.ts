import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  readEngineConfigs,
  type EngineConfigs,
} from "../engines/formats/engine-configs.ts";

const MAX_BYTES = 1024 * 1024;

/** What the engines of the system here are told. */
export function readSystemConfigs(host: Host): EngineConfigs {
  return readEngineConfigs((file) => {
    try {
      return { text: host.readText(file, MAX_BYTES) };
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      return { text: undefined, error: error.message };
    }
  });
}
