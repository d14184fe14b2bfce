import path from "node:path";
import t from "tap";
import { HELPER_PATH, runHelper } from "../../../runtime/host/process.ts";

const ABSENT = "/absent/program";

for (const isTied of [false, true]) {
  t.test(
    `what a helper did is told in its own name, tied: ${String(isTied)}`,
    async (t) => {
      const directory = t.testdir({ plain: "" });
      const plain = path.join(directory, "plain");
      const run = (...argv: string[]) => runHelper(argv, { isTied });
      const shell = (script: string) => run("sh", "-c", script);
      t.equal(String((await shell("echo said")).stdout), "said\n");
      await t.rejects(run(ABSENT), {
        ...{ name: "HelperError", kind: "missing" },
        message: `${ABSENT} is not in ${HELPER_PATH}`,
      });
      await t.rejects(run(plain), {
        kind: "start",
        message: new RegExp(`^${plain} cannot be started`),
      });
      for (const status of [1, 126, 127]) {
        await t.rejects(shell(`echo why >&2; exit ${String(status)}`), {
          kind: "exit",
          message: `sh exited with status ${String(status)}: why`,
        });
      }
      await t.rejects(shell("kill -TERM $$"), {
        kind: "signal",
        message: "sh was killed by SIGTERM",
      });
      await t.rejects(
        runHelper(["sh", "-c", "echo hangs >&2; exec sleep 600"], {
          ...{ isTied, timeoutMs: 200 },
        }),
        { kind: "timeout", message: "sh did not end within 0.2 s: hangs" },
      );
    },
  );
}
