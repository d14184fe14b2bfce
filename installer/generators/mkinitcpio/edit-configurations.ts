import type { FileEdit } from "../generator.ts";
import { placeOf, type Configuration } from "./configurations.ts";
import type { TextChange } from "./text-change.ts";

/** What is to change in a configuration: positions are those of its joined texts. */
export interface Changes {
  readonly changes: readonly TextChange[];
  /** In words. */
  readonly what: string;
}

/** One configuration after the other, since they may share files. */
export function editAll(
  configurations: readonly Configuration[],
  plan: (configuration: Configuration) => Changes | undefined,
): FileEdit[] {
  const edits = new Map<string, FileEdit>();
  for (const original of configurations) {
    const configuration = withEdits(original, [...edits.values()]);
    const planned = plan(configuration);
    if (planned === undefined) continue;
    for (const [path, content] of apply(configuration, planned.changes)) {
      const whats = [edits.get(path)?.what ?? [], planned.what].flat();
      const what = [...new Set(whats)].join("; ");
      edits.set(path, { path, content, what });
    }
  }
  return [...edits.values()];
}

/** The configuration as it is after these edits. */
export function withEdits(
  configuration: Configuration,
  edits: readonly FileEdit[],
): Configuration {
  return configuration.map(({ path, text }) => ({
    path,
    text: edits.find((edit) => edit.path === path)?.content ?? text,
  }));
}

/** @returns the files that change, by their paths */
function apply(
  configuration: Configuration,
  changes: readonly TextChange[],
): Map<string, string> {
  const edited = new Map<string, string>();
  for (const { start, end, replacement } of changes.toSorted(
    (a, b) => b.start - a.start,
  )) {
    const { file, position } = placeOf(configuration, start);
    const text = edited.get(file.path) ?? file.text;
    const after = text.slice(position + end - start);
    edited.set(file.path, text.slice(0, position) + replacement + after);
  }
  return edited;
}
