import { escapeControl } from "../../../runtime/base/escape.ts";
import type { Terminal } from "../../cli/cli-context.ts";
import {
  formatSections,
  formatTable,
  plain,
  title,
  type Line,
} from "../../text/table.ts";
import { quote } from "../../../runtime/base/quote.ts";
import type { WrittenFile } from "../write-files.ts";

interface InitReport {
  readonly directory: string;
  /** By name, with what was given for this command. */
  readonly checkOptions: readonly (readonly [string, string | undefined])[];
  readonly files: readonly WrittenFile[];
  readonly warnings: readonly string[];
  /** How a boot menu entry names the directory; `undefined` where that cannot be told. */
  readonly kernelOptions: string | undefined;
}

/** What was done, and what comes next; nothing in it can write on the terminal by itself. */
export function formatInit(
  { directory, checkOptions, files, warnings, kernelOptions }: InitReport,
  { style }: Pick<Terminal, "style">,
): string {
  const options = checkOptions.flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  const check = [
    "sudo",
    "dockroot",
    "toplayer",
    "check",
    directory,
    ...options,
  ];
  const rows = files.map(({ result, path, about }) =>
    [result, path, about].map(escapeControl),
  );
  const sections: Line[][] = [
    formatTable(rows).map(plain),
    warnings.map((warning) => ({
      text: `warning: ${warning}`,
      format: "yellow",
    })),
    [
      title("next:"),
      ...[
        "  add this machine's other files, laid out as in the image",
        `  ${check.map(quote).join(" ")}`,
        ...(kernelOptions === undefined
          ? [
              "  name it in the boot menu entry: toplayer=DEVICE toplayer_path=DIRECTORY (without colons and quotes)",
            ]
          : [
              `  sudo dockroot boot-entry --toplayer ${quote(directory)}`,
              `  or add to a boot menu entry: ${kernelOptions}`,
            ]),
      ].map(plain),
    ],
  ];
  return formatSections(sections, style);
}
