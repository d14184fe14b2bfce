import { createInterface } from "node:readline";
import { BootError } from "../runtime/host/errors.ts";
import type { Questions } from "./surroundings.ts";

/**
 * Questions on a terminal. Node's own readline does: a question has a yes or a no for its answer, and
 * no library for richer ones becomes part of what an initramfs carries.
 */
export function createQuestions(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Questions {
  const ask = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const lines = createInterface({ input, output });
      let answer: string | undefined;
      lines.on("close", () => {
        if (answer !== undefined) resolve(answer);
        else
          reject(new BootError("STEP_FAILED", "interrupted: nothing was done"));
      });
      lines.question(text, (line) => {
        answer = line;
        lines.close();
      });
    });
  return {
    confirm: async (question) => {
      for (;;) {
        const answer = (await ask(`${question} [Y/n] `)).trim().toLowerCase();
        if (["", "y", "yes"].includes(answer)) return true;
        if (["n", "no"].includes(answer)) return false;
        output.write("Please answer yes or no.\n");
      }
    },
  };
}
