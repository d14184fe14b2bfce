import { execFileSync } from "node:child_process";
import fs from "node:fs";
import type { Random } from "../../../fixtures/random.ts";

/**
 * Makes random changes of every kind to what is in a directory, so that each is possible where it is made: whatever
 * it names exists, or does not.
 * @param root absolute
 */
export function changeRandomly(
  root: string,
  random: Random,
  count: number,
): void {
  for (let done = 0; done < count; done += 1) {
    const files = list(root);
    const pickOf = (kind: "file" | "directory" | "any") => {
      const found = files.filter(
        (each) => kind === "any" || each.kind === kind,
      );
      return found[random.below(found.length)]?.path;
    };
    const newName = () => {
      const directory = pickOf("directory") ?? Buffer.from(root);
      return below(directory, oddName(random));
    };
    const change = random.pick(CHANGES);
    change({ root, random, pickOf, newName });
  }
}

interface Place {
  readonly root: string;
  readonly random: Random;
  readonly pickOf: (kind: "file" | "directory" | "any") => Buffer | undefined;
  readonly newName: () => Buffer;
}

type MakeChange = (place: Place) => void;

const CHANGES: readonly [MakeChange, ...MakeChange[]] = [
  ({ newName, random }) => {
    fs.writeFileSync(newName(), text(random));
  },
  ({ newName, random }) => {
    const directory = newName();
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(below(directory, oddName(random)), text(random));
  },
  ({ newName, random }) => {
    const link = newName();
    if (!exists(link)) fs.symlinkSync(oddName(random), link);
  },
  ({ newName, pickOf }) => {
    const [file, name] = [pickOf("file"), newName()];
    if (file !== undefined && !exists(name)) fs.linkSync(file, name);
  },
  ({ newName, random }) => {
    const name = newName();
    if (!exists(name)) {
      execFileSync("mknod", [decode(name), random.pick(["p", "p"])]);
    }
  },
  ({ pickOf, random }) => {
    const file = pickOf("file");
    if (file !== undefined) fs.appendFileSync(file, text(random));
  },
  ({ pickOf, random }) => {
    const file = pickOf("file");
    if (file !== undefined) fs.truncateSync(file, random.below(200_000));
  },
  // The same size, another content somewhere.
  ({ pickOf, random }) => {
    const file = pickOf("file");
    if (file === undefined) return;
    const bytes = fs.readFileSync(file);
    if (bytes.length === 0) return;
    const at = random.below(bytes.length);
    bytes[at] = ((bytes[at] ?? 0) + 1) % 256;
    fs.writeFileSync(file, bytes);
  },
  // As editors do it; with the same content, too.
  ({ pickOf, random }) => {
    const file = pickOf("file");
    if (file === undefined) return;
    const { mode } = fs.statSync(file);
    const bytes = random.oneIn(2) ? fs.readFileSync(file) : text(random);
    const other = Buffer.concat([file, Buffer.from(".new")]);
    fs.writeFileSync(other, bytes);
    fs.chmodSync(other, mode);
    fs.renameSync(other, file);
  },
  ({ pickOf, random }) => {
    const file = pickOf("any");
    if (file === undefined || fs.lstatSync(file).isSymbolicLink()) return;
    fs.chmodSync(file, random.pick([0o600, 0o644, 0o755, 0o4755, 0o1777]));
  },
  ({ pickOf, random }) => {
    const file = pickOf("any");
    if (file !== undefined)
      fs.lchownSync(file, random.below(3), random.below(3));
  },
  ({ pickOf, random }) => {
    const file = pickOf("file");
    if (file === undefined || !isText(file)) return;
    const value = String(random.below(5));
    const flags = random.oneIn(3)
      ? ["-x", "user.a"]
      : ["-n", "user.a", "-v", value];
    try {
      execFileSync("setfattr", [...flags, decode(file)], { stdio: "ignore" });
    } catch {
      // It has none that could be taken away.
    }
  },
  ({ pickOf, newName }) => {
    const [from, to] = [pickOf("any"), newName()];
    if (from !== undefined && !isIn(to, from) && !exists(to))
      fs.renameSync(from, to);
  },
  ({ pickOf, newName }) => {
    const [from, to] = [pickOf("directory"), newName()];
    if (from !== undefined && !isIn(to, from) && !exists(to))
      fs.renameSync(from, to);
  },
  // Two change their places.
  ({ root, pickOf }) => {
    const [one, other] = [pickOf("any"), pickOf("any")];
    if (one === undefined || other === undefined) return;
    if (one.equals(other) || isIn(one, other) || isIn(other, one)) return;
    const meanwhile = `${root}/meanwhile`;
    fs.renameSync(one, meanwhile);
    fs.renameSync(other, one);
    fs.renameSync(meanwhile, other);
  },
  ({ pickOf, random }) => {
    const file = pickOf(random.oneIn(4) ? "any" : "file");
    if (file !== undefined) fs.rmSync(file, { recursive: true });
  },
  // Something else under its name.
  ({ pickOf, random }) => {
    const file = pickOf("any");
    if (file === undefined) return;
    fs.rmSync(file, { recursive: true });
    if (random.oneIn(2)) fs.mkdirSync(file);
    else fs.writeFileSync(file, text(random));
  },
];

interface Listed {
  readonly path: Buffer;
  readonly kind: "file" | "directory" | "other";
}

function list(root: string): Listed[] {
  const found: Listed[] = [];
  const pending = [Buffer.from(root)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const name of fs.readdirSync(next, { encoding: "buffer" })) {
      const path = Buffer.concat([next, Buffer.from("/"), name]);
      const stats = fs.lstatSync(path);
      if (stats.isDirectory()) pending.push(path);
      const kind = stats.isDirectory() ? "directory" : "other";
      found.push({ path, kind: stats.isFile() ? "file" : kind });
    }
  }
  return found;
}

function oddName(random: Random): string {
  const odd = random.pick(["", "", "", " ", "é", "-", "\n", "\\", "#"]);
  return `n${odd}${String(random.below(100_000))}`;
}

function text(random: Random): string {
  return String(random.below(1_000_000)).repeat(
    random.pick([0, 1, 10, 1000, 20_000]),
  );
}

function below(directory: Buffer, name: string): Buffer {
  return Buffer.concat([directory, Buffer.from(`/${name}`)]);
}

function decode(file: Buffer): string {
  return file.toString("utf8");
}

function isText(file: Buffer): boolean {
  return Buffer.from(decode(file)).equals(file);
}

function isIn(file: Buffer, directory: Buffer): boolean {
  return (
    decode(file).startsWith(`${decode(directory)}/`) || file.equals(directory)
  );
}

function exists(file: Buffer): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}
