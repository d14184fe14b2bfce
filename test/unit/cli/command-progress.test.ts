import t from "tap";
import { createProgress } from "../../../installer/cli/progress.ts";

/** What is written while a step lasts until as many texts are written. */
async function watch(columns: number | undefined, texts: number) {
  const written: string[] = [];
  const done = Promise.withResolvers<string>();
  const write = (text: string) => {
    if (written.push(text) === texts) done.resolve("result");
  };
  let now = 0;
  const progress = createProgress(write, { columns }, () => (now += 30_000), 1);
  const result = await progress("building it", () => done.promise);
  return { result, written };
}

t.test("where no terminal is, a line tells that a step lasts", async (t) => {
  t.strictSame(await watch(undefined, 3), {
    result: "result",
    written: [
      "building it ...\n",
      "still building it (30 s)\n",
      "still building it (60 s)\n",
    ],
  });
});

t.test("on a terminal the seconds are counted in one line", async (t) => {
  const { written } = await watch(18, 2);
  t.strictSame(
    written,
    [3, 6, 9].map((s) => `\rbuilding it ... ${String(s)}`).concat("\n"),
  );
});
