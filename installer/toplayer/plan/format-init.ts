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
  /** As it was given for this command. */
  readonly image: string | undefined;
  /** By name, with what was given for this command. */
  readonly storeOptions: readonly (readonly [string, string | undefined])[];
  readonly files: readonly WrittenFile[];
  readonly warnings: readonly string[];
  /** How a boot menu entry names the directory; `undefined` where that cannot be told. */
  readonly kernelOptions: string | undefined;
  /** Whether `dockroot upgrade` finds it there by itself. */
  readonly isFound: boolean;
}

/** What was done, and what comes next; nothing in it can write on the terminal by itself. */
export function formatInit(
  report: InitReport,
  { style }: Pick<Terminal, "style">,
): string {
  const { directory, image, files, warnings, kernelOptions } = report;
  const store = report.storeOptions.flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  const call = (...argv: readonly string[]) =>
    `  ${["sudo", "dockroot", ...argv].map(quote).join(" ")}`;
  const named = image === undefined ? [] : ["--image", image];
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
        call("toplayer", "check", directory, ...named, ...store),
        ...(kernelOptions === undefined
          ? [
              "  name it in the boot menu entry: toplayer=DEVICE toplayer_path=DIRECTORY (without colons and quotes)",
            ]
          : [
              report.isFound
                ? call(
                    "upgrade",
                    ...(image === undefined ? [] : [image]),
                    ...store,
                  )
                : call("boot-entry", "--toplayer", directory),
              `  or add to a boot menu entry: ${kernelOptions}`,
            ]),
      ].map(plain),
    ],
  ];
  return formatSections(sections, style);
}
