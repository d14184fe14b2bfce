import { readStatements } from "./shell-statements.ts";
import { valueOf, type Word } from "./shell-word.ts";

type Variables = ReadonlyMap<string, readonly string[] | string>;

/**
 * What bash would print of a preset, see assets/mkinitcpio/print-preset, without running it.
 * @returns `undefined` where it does more than set variables to plain texts
 */
export function readPlainPreset(text: string): string[] | undefined {
  const variables = readVariables(text);
  return (
    variables &&
    listOf(variables, "PRESETS").flatMap((name) => {
      const first = (key: string) => listOf(variables, key)[0] ?? "";
      const own = (key: string) =>
        first(`${name}_${key}`) || first(`ALL_${key}`);
      const uki = variables.has(`${name}_uki`) ? "uki" : "efi_image";
      const options = variables.get(`${name}_options`) ?? "";
      const words =
        typeof options === "string"
          ? (options.split("\n")[0] ?? "").split(/[ \t]+/).filter(Boolean)
          : options;
      return [
        ...[own("kver"), own("config")],
        ...[first(`${name}_image`), first(`${name}_${uki}`), name],
        ...[String(words.length), ...words],
      ];
    })
  );
}

function readVariables(text: string): Variables | undefined {
  const variables = new Map<string, readonly string[] | string>();
  for (const { parts, isConditional } of readStatements(text)) {
    for (const part of parts) {
      if (isConditional || part.kind !== "assignment") return undefined;
      const { name, list, text: value, isElement, isAppending } = part;
      const words = list ?? [value];
      if (isElement || isAppending || !words.every(isPlain)) return undefined;
      const values = words.map(({ characters }) => valueOf(characters));
      variables.set(name, list === undefined ? (values[0] ?? "") : values);
    }
  }
  return variables;
}

function isPlain({ isExpanded, isPattern }: Word): boolean {
  return !isExpanded && !isPattern;
}

function listOf(variables: Variables, name: string): readonly string[] {
  const value = variables.get(name) ?? [];
  return typeof value === "string" ? [value] : value;
}
