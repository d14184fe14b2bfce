import { join } from "node:path";
import { run } from "../fixtures/run.ts";
import type { Contender } from "./comparison.ts";
import type { Bench, Entry } from "./entry.ts";
import { runInGroup } from "./run-in-group.ts";

export const startUp: Entry = {
  name: "start-up",
  describe: "a program that does nothing: Node as it is shipped, dockroot, sh",
  measure,
};

async function measure({
  scratch,
  executables,
  compare,
}: Bench): Promise<void> {
  // The project's own Node, which runs this.
  const node = process.execPath;
  const stripped = join(scratch, "node");
  await run(["strip", "-o", stripped, node]);
  await compare({
    title: "start-up: a program that does nothing",
    unit: "ms",
    contenders: [
      contender("Node as shipped, -e 0", [node, "-e", "0"]),
      contender("Node stripped, -e 0", [stripped, "-e", "0"]),
      ...executables.map(({ name, file }) =>
        contender(`${name} --version`, [file, "--version"]),
      ),
      contender("sh -c :", ["sh", "-c", ":"]),
    ],
  });
}

function contender(
  name: string,
  argv: readonly [string, ...string[]],
): Contender {
  return { name, measure: () => runInGroup(argv) };
}
