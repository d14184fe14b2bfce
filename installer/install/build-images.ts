import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { escapeControl } from "../../runtime/base/escape.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { Build, InitramfsImage } from "../generators/generator.ts";
import { lockedFor } from "./lock.ts";
import type { Progress } from "../cli/progress.ts";

/** What building needs besides the builds. */
export interface Building {
  readonly progress: Progress;
  readonly interruption: AbortSignal;
  /** Gets what the generator said, where it fails. */
  readonly tell: (text: string) => unknown;
  /** Looks into an image that has just been built. @throws BootError */
  readonly check: (image: InitramfsImage) => Promise<void>;
}

const SHOWN_OUTPUT_CHARS = 4000;

/**
 * Builds the images and looks into each; none takes the place of its former one yet, but where the
 * generator leaves no choice.
 * @throws BootError INSTALL_FAILED
 */
export async function buildImages(
  host: Host,
  builds: readonly Build[],
  building: Building,
): Promise<void> {
  for (const { argv, images } of builds) {
    const names = images.map(({ path }) => path).join(", ");
    await building.progress(`building ${names}`, () =>
      runGenerator(host, argv, names, building),
    );
    for (const image of images) {
      try {
        await building.check(image);
      } finally {
        // Ctrl-C ends what looks into it, too.
        refuseInterrupted(building.interruption);
      }
    }
  }
}

/** @returns what went wrong, for each that did */
export async function runAfterwards(
  host: Host,
  builds: readonly Build[],
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { afterwards } of builds) {
    if (afterwards === undefined) continue;
    try {
      await host.run(afterwards);
    } catch (error) {
      if (!(error instanceof HelperError)) throw error;
      warnings.push(error.message);
    }
  }
  return warnings;
}

async function runGenerator(
  host: Host,
  argv: readonly string[],
  names: string,
  { interruption, tell }: Building,
): Promise<void> {
  refuseInterrupted(interruption);
  let said = "";
  let ended: Promise<void> | undefined;
  let stop: (() => void) | undefined;
  try {
    // Both of its outputs, in their order.
    await host.run(lockedFor(["sh", "-c", 'exec "$@" 2>&1', "sh", ...argv]), {
      ownGroup: true,
      onStart: (groupId) => {
        stop = () => {
          ended = host.endGroup(groupId);
        };
        interruption.addEventListener("abort", stop);
      },
      onOutput: (chunk) => {
        said = (said + chunk.toString("utf8")).slice(-SHOWN_OUTPUT_CHARS);
      },
    });
  } catch (cause) {
    // What it has started must not go on to write.
    await ended;
    refuseInterrupted(interruption);
    if (!(cause instanceof HelperError)) throw cause;
    for (const line of said.trimEnd().split("\n")) {
      tell(`  | ${escapeControl(line)}\n`);
    }
    throw new BootError("INSTALL_FAILED", `cannot build ${names}`, {
      cause: new Error(`${argv.join(" ")} failed; what it said is above`),
      hint: "Nothing was changed. Correct what it complains of and try again.",
    });
  } finally {
    if (stop !== undefined) interruption.removeEventListener("abort", stop);
  }
  await ended;
  refuseInterrupted(interruption);
}

/** @throws BootError INSTALL_FAILED */
function refuseInterrupted(interruption: AbortSignal): void {
  if (interruption.aborted) {
    throw new BootError("INSTALL_FAILED", "interrupted: nothing was changed");
  }
}
