import {
  parseConfig,
  type ConfigSource,
} from "../../runtime/options/config.ts";
import { describeFailure } from "../../runtime/base/failure.ts";
import { gatherConfig } from "../../runtime/boot/gather-options.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { ConfigFacts } from "./rules/facts.ts";

/** What the configuration here says, or why it says nothing. */
export function readConfigFacts(host: Host): ConfigFacts {
  const warnings: string[] = [];
  let source: ConfigSource | undefined;
  try {
    source = gatherConfig(host, undefined);
    const image = parseConfig(source, warnings).get("docker_image");
    return { source, failure: undefined, warnings, image };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    const failure = describeFailure(error);
    return { source, failure, warnings, image: undefined };
  }
}
