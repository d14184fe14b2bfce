import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { commandTable, groups } from "../../installer/cli/table.ts";
import { projectDirectory } from "../layout.ts";
import { listCompletedCommands } from "./completed-command.ts";
import { formatBash } from "./format-bash.ts";
import { formatFish } from "./format-fish.ts";
import { formatZsh } from "./format-zsh.ts";
import { formatManPage } from "./man-page.ts";

/**
 * Writes the manual page and the completions into `directory`, from the table of commands.
 * @returns the files, by the names by which the executable reads them
 */
export async function writePages(
  directory: string,
): Promise<Record<string, string>> {
  const commands = listCompletedCommands(commandTable);
  const summaries = new Map([
    ...[...commandTable].map(([name, { summary }]): [string, string] => {
      const [first = ""] = name.split(" ");
      return [first, groups.get(first) ?? summary];
    }),
    ["help", "explain a command"] as const,
  ]);
  const template = path.join(projectDirectory, "docs/man/dockroot.8.in");
  const texts = {
    "dockroot.8": formatManPage(await readFile(template, "utf8"), commandTable),
    "completion.bash": formatBash(commands),
    "completion.zsh": formatZsh(commands, summaries),
    "completion.fish": formatFish(commands, summaries),
  };
  await mkdir(directory, { recursive: true });
  const files: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    files[name] = path.join(directory, name);
    await writeFile(files[name], text);
  }
  return files;
}
