import type { OddLine } from "../../system/formats/colon-file.ts";
import {
  parseGroup,
  parseGshadow,
  parsePasswd,
  parseShadow,
} from "../../system/formats/parse-accounts.ts";
import type { CheckFacts, TextFile } from "./check-facts.ts";
import type { Problem } from "./problem.ts";
import { accountProblem } from "./accounts.ts";

/** Lines that programs pass over. */
export function checkOddLines(facts: CheckFacts): Problem[] {
  const { texts } = facts;
  const odd: [TextFile, readonly OddLine[]][] = [
    ["passwd", parsePasswd(texts.passwd.text ?? "").odd],
    ["group", parseGroup(texts.group.text ?? "").odd],
    ["shadow", parseShadow(texts.shadow.text ?? "").odd],
    ["gshadow", parseGshadow(texts.gshadow.text ?? "").odd],
  ];
  return odd.flatMap(([file, lines]) =>
    texts[file].entry === undefined
      ? []
      : lines.map(({ number, why }) =>
          accountProblem(facts, file, {
            level: "warning",
            rule: "accounts-odd-line",
            message: `line ${String(number)} of /etc/${file} is not read by programs: ${why}`,
            remedy:
              "Correct the line, or remove it: pwck and grpck know them, too.",
          }),
        ),
  );
}
