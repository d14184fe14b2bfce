import { placeOf, type Configuration } from "./read-configurations.ts";
import type { TextChange } from "./text-change.ts";

/** What a file is to hold instead. */
export interface HooksEdit {
  readonly path: string;
  readonly content: string;
  readonly what: string;
}

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
): HooksEdit[] {
  const edits = new Map<string, HooksEdit>();
  for (const original of configurations) {
    const [configuration = original] = withTexts(
      [original],
      [...edits.values()],
    );
    const planned = plan(configuration);
    if (planned === undefined) continue;
    for (const edit of apply(configuration, planned)) {
      const what = edits.get(edit.path)?.what;
      edits.set(
        edit.path,
        what === undefined || what === edit.what
          ? edit
          : { ...edit, what: `${what}; ${edit.what}` },
      );
    }
  }
  return [...edits.values()];
}

/** The configurations as they are after these edits. */
export function withTexts(
  configurations: readonly Configuration[],
  edits: readonly HooksEdit[],
): Configuration[] {
  const contents = new Map(edits.map(({ path, content }) => [path, content]));
  return configurations.map((configuration) =>
    configuration.map(({ path, text }) => ({
      path,
      text: contents.get(path) ?? text,
    })),
  );
}

function apply(
  configuration: Configuration,
  { changes, what }: Changes,
): HooksEdit[] {
  const texts = new Map(configuration.map(({ path, text }) => [path, text]));
  const edited = new Set<string>();
  for (const { start, end, replacement } of changes.toSorted(
    (a, b) => b.start - a.start,
  )) {
    const { path, position } = placeOf(configuration, start);
    const text = texts.get(path) ?? "";
    const after = text.slice(position + end - start);
    texts.set(path, text.slice(0, position) + replacement + after);
    edited.add(path);
  }
  return [...edited].map((path) => ({
    ...{ path, what, content: texts.get(path) ?? "" },
  }));
}
