import { isMachineId } from "../../system/formats/machine-id.ts";
import type { CheckFacts } from "./check-facts.ts";
import { problemOf, type Problem } from "./problem.ts";

/** Without one, systemd makes a new one at each start: journals, leases and licences hang on it. */
export function checkMachineId({ texts }: CheckFacts): Problem[] {
  const { entry, text } = texts["machine-id"];
  if (entry === undefined || text === undefined || isMachineId(text)) return [];
  const what =
    text.trim() === ""
      ? "is empty"
      : text.trim() === "uninitialized"
        ? 'says "uninitialized"'
        : "is not 32 hexadecimal digits";
  return [
    problemOf(
      entry,
      "warning",
      "machine-id",
      `${entry.path} ${what}: the system gets another ID at each start`,
      "In the top layer's directory: systemd-id128 new > ./etc/machine-id",
    ),
  ];
}
