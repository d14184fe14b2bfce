import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { commandTable, groups, SHELLS } from "../../installer/cli/table.ts";
import { projectDirectory } from "../layout.ts";
import { listCompletedCommands } from "./completed-command.ts";
import { formatBash } from "./format-bash.ts";
import { formatFish } from "./format-fish.ts";
import { formatZsh } from "./format-zsh.ts";
import { formatManPage } from "./man-page.ts";

/** Where `dockroot completion` finds a shell's script, in the executable and in dist/. */
export const completionFiles = SHELLS.map((shell) => `completion.${shell}`);

/** Writes what comes from the table of commands into `directory`: the manual page and the completions. */
export async function writePages(directory: string): Promise<void> {
  const template = path.join(projectDirectory, "docs/man/dockroot.8.in");
  const completed = listCompletedCommands(commandTable);
  const summaries = new Map([
    ...[...commandTable].map(([name, { summary }]): [string, string] => {
      const [first = ""] = name.split(" ");
      return [first, groups.get(first) ?? summary];
    }),
    ["help", "explain a command"] as const,
  ]);
  const pages = {
    "dockroot.8": formatManPage(await readFile(template, "utf8"), commandTable),
    "completion.bash": formatBash(completed),
    "completion.zsh": formatZsh(completed, summaries),
    "completion.fish": formatFish(completed, summaries),
  };
  await mkdir(directory, { recursive: true });
  for (const [name, text] of Object.entries(pages)) {
    await writeFile(path.join(directory, name), text);
  }
}
