import fs from "node:fs";
import path from "node:path";
import { findProgram } from "../runner/find-program.ts";
import { plainMachine, type Machine } from "./faulty-start.ts";

/** Scripts that stand before helper programs, as far as one process and its children see. */
export interface HelperWrappers extends Machine {
  /** The program itself, which is seen elsewhere where the scripts stand. */
  readonly real: (name: string) => string;
  /** Of a helper or of what is passed on. */
  readonly file: (name: string) => string;
  /** Writes all of them (anew). */
  readonly write: () => void;
}

export interface Wrapping {
  readonly helpers: readonly string[];
  /**
   * What a helper's script does before it becomes the helper: shell that has no program but the
   * real ones, and the helper's own in `$real`.
   */
  readonly script: (helper: string, real: (name: string) => string) => string;
}

/** Through which helpers are called, and what runs under one: no calls for work of their own. */
const PASSED_ON = ["setpriv", "cat", "unshare", "sh", "chroot"];

/**
 * @param directory exists, is the caller's own, and may hold programs
 * @throws Error where a program is absent or not one of the system's own directories'
 */
export function makeHelperWrappers(
  directory: string,
  { helpers, script }: Wrapping,
): HelperWrappers {
  const at = (name: string) => path.join(directory, name);
  const real = (name: string) => {
    const found = findProgram(name);
    if (found === undefined) throw new Error(`there is no ${name} here`);
    const target = fs.realpathSync(found);
    // Those directories alone are still seen, elsewhere, where the scripts stand before them.
    if (!/^\/usr\/s?bin\/[^/]+$/.test(target)) {
      throw new Error(
        `${name} is ${target}, neither in /usr/bin nor /usr/sbin`,
      );
    }
    return `${directory}${target}`;
  };
  for (const name of ["usr/bin", "usr/sbin", "fake"]) {
    fs.mkdirSync(at(name), { recursive: true });
  }
  const file = (name: string) => at(`fake/${name}`);
  const write = () => {
    for (const name of [...helpers, ...PASSED_ON]) {
      const before = helpers.includes(name) ? script(name, real) : "";
      const text = `#!${real("sh")}\nreal='${real(name)}'\n${before}exec "$real" "$@"\n`;
      fs.writeFileSync(file(name), text, { mode: 0o755 });
      fs.chmodSync(file(name), 0o755);
    }
  };
  write();
  // The mounts end with the shell and its children, as with a machine that restarts.
  const enter = `
mount --bind /usr/bin '${at("usr/bin")}'
mount --bind /usr/sbin '${at("usr/sbin")}'
mount --bind '${at("fake")}' /usr/sbin
mount --bind '${at("fake")}' /usr/bin
`;
  return {
    command: (text) => plainMachine.command(`set -e;${enter}set +e;${text}`),
    ...{ real, file, write },
  };
}
