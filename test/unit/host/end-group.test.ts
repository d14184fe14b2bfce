import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { endGroup, runHelper } from "../../../runtime/host/process.ts";

t.test(
  "what a program has started ends with it, when it has tidied up",
  async (t) => {
    const directory = t.testdir({});
    // What tail prints tells that it runs: a signal that comes before, to the shell's copy of itself
    // that becomes it, is lost.
    const script =
      "(trap 'echo tidied >tidied; exit 1' INT; echo >ready; tail -f ready); sleep 600";
    let group = 0;
    let ended: Promise<void> | undefined;
    await t.rejects(
      runHelper(["sh", "-c", script], {
        directory,
        ownGroup: true,
        onStart: (id) => {
          group = id;
        },
        onOutput: () => {
          ended = endGroup(group);
        },
      }),
      { message: "sh was killed by SIGINT" },
    );
    await ended;
    t.equal(
      fs.readFileSync(path.join(directory, "tidied"), "utf8"),
      "tidied\n",
    );
    t.throws(() => process.kill(-group, 0), { code: "ESRCH" });
    await endGroup(group);
  },
);
