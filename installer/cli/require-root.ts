import { BootError } from "../../runtime/base/errors.ts";

/** @throws BootError NOT_ROOT */
export function requireRoot(isRoot: boolean, command: string): void {
  if (isRoot) return;
  throw new BootError("NOT_ROOT", `dockroot ${command} needs root`, {
    hint: `Run it with sudo: sudo dockroot ${command} ...`,
  });
}
