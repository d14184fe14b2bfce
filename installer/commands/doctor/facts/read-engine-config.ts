import { BootError } from "../../../../runtime/host/errors.ts";
import type { Host } from "../../../../runtime/host/host.ts";
import { parseDaemonJson, type EngineConfig } from "../parse-daemon-json.ts";

export const DAEMON_JSON = "/etc/docker/daemon.json";
const MAX_BYTES = 1024 * 1024;

/** What the engine of the system here is told. */
export function readEngineConfig(host: Host): EngineConfig {
  try {
    return parseDaemonJson(DAEMON_JSON, host.readText(DAEMON_JSON, MAX_BYTES));
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return {
      ...parseDaemonJson(DAEMON_JSON, undefined),
      error: error.message,
    };
  }
}
