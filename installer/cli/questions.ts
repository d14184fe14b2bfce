import { createInterface } from "node:readline";
import { BootError } from "../../runtime/base/errors.ts";
import type { Questions, CliContext } from "./cli-context.ts";

/**
 * Questions on a terminal, by Node's own readline. @inquirer/confirm loses what is typed ahead, waits
 * for ever at the end of input (Ctrl-D), and adds 54 kB.
 */
export function createQuestions(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Questions {
  return async (work) => {
    const terminal = createInterface({ input, output });
    const lines = terminal[Symbol.asyncIterator]();
    const state = { isInterrupted: false, isClosed: false };
    terminal.once("SIGINT", () => {
      state.isInterrupted = true;
      terminal.close();
    });
    terminal.once("close", () => {
      state.isClosed = true;
    });
    const refuseInterrupted = (isOver: boolean) => {
      if (!isOver) return;
      output.write("\n");
      throw new BootError("STEP_FAILED", "interrupted: nothing was done");
    };
    const ask = async (question: string): Promise<string> => {
      refuseInterrupted(state.isInterrupted);
      terminal.setPrompt(question);
      // What was typed ahead is there after the end, too.
      if (!state.isClosed) terminal.prompt();
      const { done, value } = await lines.next();
      refuseInterrupted(state.isInterrupted || done === true);
      return value as string;
    };
    try {
      const answers = await work(async (question) => {
        for (;;) {
          const answer = (await ask(`${question} [Y/n] `)).trim().toLowerCase();
          if (["", "y", "yes"].includes(answer)) return true;
          if (["n", "no"].includes(answer)) return false;
          output.write("Please answer yes or no.\n");
        }
      });
      refuseInterrupted(state.isInterrupted);
      return answers;
    } finally {
      terminal.close();
    }
  };
}

/**
 * Asks whether to go on, where somebody is there to answer: a Dockerfile's RUN goes on by itself.
 * @throws BootError INSTALL_FAILED where the answer is no
 */
export async function confirmPlan(
  isAnswered: boolean,
  { questions }: CliContext,
): Promise<void> {
  if (isAnswered || questions === undefined) return;
  if (await questions((confirm) => confirm("Go on?"))) return;
  throw new BootError("INSTALL_FAILED", "nothing was changed");
}
