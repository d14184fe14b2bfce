import { PassThrough } from "node:stream";
import t from "tap";
import { createQuestions } from "../../../installer/cli/questions.ts";

/** Asks twice what is answered by these keys, which arrive at once. */
async function answer(keys: string): Promise<boolean[]> {
  const terminal = () => Object.assign(new PassThrough(), { isTTY: true });
  const input = terminal();
  const ask = createQuestions(input, terminal());
  const answers = ask(async (confirm) => [
    ...[await confirm("one?"), await confirm("two?")],
  ]);
  input.write(keys);
  return answers;
}

t.test("what is typed ahead are the next answers", async (t) => {
  t.strictSame(await answer("n\ny\n"), [false, true]);
  t.strictSame(await answer("n\ny\n\u0004"), [false, true], "and Ctrl-D");
});

t.test("Ctrl-C and Ctrl-D interrupt, wherever they come", async (t) => {
  const message = "interrupted: nothing was done";
  for (const keys of [
    "\u0003",
    "y\n\u0003",
    "y\ny\n\u0003",
    "\u0004",
    "y\n\u0004",
  ]) {
    await t.rejects(answer(keys), { message }, JSON.stringify(keys));
  }
});
