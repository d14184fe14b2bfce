import { HelperError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";

/** What the kernel takes as arguments of one program is a multiple of it. */
const MAX_ARGUMENT_BYTES = 256 * 1024;

/**
 * The extended attributes, ACLs and file capabilities of files that are there.
 * @param tree absolute
 * @param paths relative to it, with one byte a character (latin1)
 * @returns a text for each file that has some, the same for the same ones; `undefined` where getfattr is missing
 * @throws HelperError
 */
export async function readXattrs(
  host: Host,
  tree: string,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const found = new Map<string, string>();
  try {
    // Arguments of a program are UTF-8 here: of other names it is not known.
    for (const batch of inBatches(paths.filter(isUtf8))) {
      const { stdout } = await host.run(
        [
          ...["getfattr", "--dump", "--match=-", "--encoding=hex"],
          ...[
            "--no-dereference",
            "--",
            ...batch.map((path) => `./${decode(path)}`),
          ],
        ],
        { directory: tree },
      );
      for (const [path, text] of parseDump(stdout.toString("latin1"))) {
        found.set(path, text);
      }
    }
    return found;
  } catch (error) {
    if (error instanceof HelperError && error.kind === "missing") {
      return undefined;
    }
    throw error;
  }
}

/**
 * Parses what `getfattr --dump --encoding=hex` prints: a block for each file, in which a name's backslashes, newlines
 * and other bytes are octal escapes.
 */
function* parseDump(text: string): Generator<readonly [string, string]> {
  for (const block of text.split("\n\n")) {
    const [first = "", ...lines] = block.split("\n");
    const [, name] = /^# file: (?:\.\/)?(.*)$/.exec(first) ?? [];
    if (name === undefined) continue;
    const path = name.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    yield [path === "." ? "" : path, lines.sort().join("\n")];
  }
}

/** As many paths at a time as a program takes for arguments. */
function* inBatches(paths: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    batch.push(path);
    bytes += path.length;
    if (bytes < MAX_ARGUMENT_BYTES) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}

function decode(path: string): string {
  return Buffer.from(path, "latin1").toString("utf8");
}

function isUtf8(path: string): boolean {
  const bytes = Buffer.from(path, "latin1");
  return bytes.equals(Buffer.from(decode(path)));
}
