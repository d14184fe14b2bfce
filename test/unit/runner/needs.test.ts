import { readFileSync } from "node:fs";
import t from "tap";
import { rungs } from "../../runner/rungs.ts";

const lines = readFileSync("scripts/needs", "utf8")
  .trimEnd()
  .split("\n")
  .filter((line) => !line.startsWith("#"))
  .map((line) => line.split("|"));

t.test("each line has a reason, and a package of Debian", (t) => {
  for (const line of lines) {
    t.match(line, [/./, /./, /./, /.?/, /./]);
    t.equal(line.length, 5, line.join("|"));
  }
  t.end();
});

t.test("scripts/setup installs what a rung of tests asks for", (t) => {
  /** What another file of the same package stands for, and what no package has. */
  const others: Readonly<Record<string, string>> = { btrfs: "mkfs.btrfs" };
  for (const { name, commands } of rungs) {
    const installed = lines
      .filter(([targets = ""]) => targets.split(" ").includes(`test-${name}`))
      .map(([, command]) => command);
    for (const command of commands) {
      if (command.startsWith("/dev/")) continue;
      t.ok(
        installed.includes(others[command] ?? command),
        `${name}: ${command}`,
      );
    }
  }
  t.end();
});
