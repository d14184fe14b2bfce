import path from "node:path";
import { diffTargets } from "./diff-targets.ts";
import { doctorTargets } from "./doctor-targets.ts";
import {
  dockerTarget,
  manifestTarget,
  podmanTarget,
  stateTarget,
} from "./file-targets.ts";
import type { Target } from "./target.ts";
import { textTargets } from "./text-targets.ts";
import { toplayerTargets } from "./toplayer-targets.ts";

/** @param scratch a directory for what must be files */
export function createTargets(scratch: string): readonly [Target, ...Target[]] {
  return [
    ...textTargets(),
    ...toplayerTargets,
    ...doctorTargets,
    ...diffTargets,
    stateTarget(path.join(scratch, "state")),
    dockerTarget(path.join(scratch, "docker")),
    podmanTarget(path.join(scratch, "podman")),
    manifestTarget(),
  ];
}
