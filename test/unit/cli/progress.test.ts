import t from "tap";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { createRecorder } from "../../../runtime/boot/recorder.ts";
import { createCopyProgress } from "../../../runtime/toplayer/execute-merge.ts";

t.test("what cp names is counted, however its output is cut", async (t) => {
  const output = Buffer.from(
    "'a' -> '/new/a'\nremoved '/new/b'\n'b' -> '/new/b'\n" +
      String.raw`'two'$'\n''lines' -> 'x'` +
      "\n\"it's\" -> 'y'\n",
  );
  for (let size = 1; size <= output.length; size += 1) {
    const progress = createCopyProgress(createHost("/", createLog([])), 10);
    for (let start = 0; start < output.length; start += size) {
      progress.count(output.subarray(start, start + size));
    }
    t.equal(progress.describe(), "4 of 10 entries, 0 MB written");
  }
});

t.test("what several calls have written is added up", async (t) => {
  const root = t.testdir({
    proc: {
      1: { io: "rchar: 1\nwchar: 7000000\nsyscr: 1\n" },
      2: { io: "rchar: 1\nwchar: 5000000\nsyscr: 1\n" },
    },
  });
  const progress = createCopyProgress(createHost(root, createLog([])), 2);
  progress.startCall(1);
  t.match(progress.describe(), /, 7 MB written/);
  progress.startCall(2);
  t.match(progress.describe(), /, 12 MB written/);
  progress.startCall(3);
  t.match(progress.describe(), /, 12 MB written/, "of one that has ended");
});

t.test("a step that takes long says how far it is", async (t) => {
  const lines: string[] = [];
  const log = createLog([(_level, line) => lines.push(line)]);
  const host = createHost("/", log);
  const done = Promise.withResolvers<undefined>();
  const step = createRecorder(host).time("copy it", (tellProgress) => {
    tellProgress(() => "3 of 9 entries");
    return done.promise;
  });
  while (lines.length === 0) await host.sleep(20);
  done.resolve(undefined);
  await step;
  t.match(lines[0], /^still running after \d+ s: copy it \(3 of 9 entries\)$/);
});
