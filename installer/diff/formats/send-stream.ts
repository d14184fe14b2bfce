import { crc32c } from "./crc32c.ts";

/** What is wrong with a stream, as a clause: "it ends within a command". */
export class StreamError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "StreamError";
  }
}

/** What a change is about. */
export type ChangedPart = "content" | "attributes" | "xattrs";

/** A command of a stream. Paths are relative to the subvolume, with one byte a character (latin1). */
export type SendCommand =
  /** Something that was not there: a file, a directory, a symlink, ... */
  | { readonly kind: "make"; readonly path: string }
  | { readonly kind: "move"; readonly path: string; readonly to: string }
  /** Another name for what has one already. */
  | { readonly kind: "link"; readonly path: string }
  | { readonly kind: "remove"; readonly path: string }
  | {
      readonly kind: "change";
      readonly path: string;
      readonly part: ChangedPart;
    };

const MAGIC = Buffer.from("btrfs-stream\0");
const HEADER_BYTES = MAGIC.length + 4;
const COMMAND_HEADER_BYTES = 10;
const CRC_AT = 6;

/** Version 2 has commands of up to 128 KiB and its page; what is larger was not written by btrfs. */
const MAX_COMMAND_BYTES = 16 * 1024 * 1024;
/** PATH_MAX of Linux. */
export const MAX_PATH_BYTES = 4096;

const PATH = 15;
const PATH_TO = 16;
/** From version 2 on it has no length and is the last of its command. */
const DATA = 19;

const END = 21;

/** By the numbers of the commands; `begins` is the first of a stream, and what is `ignored` changes times alone. */
const COMMANDS: Readonly<
  Record<
    number,
    "begins" | "ignored" | Exclude<SendCommand["kind"], "change"> | ChangedPart
  >
> = {
  ...{ 1: "begins", 2: "begins" },
  ...{ 3: "make", 4: "make", 5: "make", 6: "make", 7: "make", 8: "make" },
  ...{ 9: "move", 10: "link", 11: "remove", 12: "remove" },
  ...{ 13: "xattrs", 14: "xattrs" },
  ...{ 15: "content", 16: "content", 17: "content" },
  ...{ 18: "attributes", 19: "attributes", 20: "ignored" },
  ...{ 22: "content", 23: "content", 24: "attributes", 25: "content" },
  26: "content",
};

/**
 * Reads what `btrfs send --no-data` prints, as it comes: the commands that make one subvolume of another.
 * @see https://btrfs.readthedocs.io/en/latest/dev/dev-send-stream.html
 */
export class SendStreamReader {
  readonly #take: (command: SendCommand) => void;
  /** What has come and is not read yet. */
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  /** Before so much has come, nothing can be read. */
  #neededBytes = HEADER_BYTES;
  #version: number | undefined;
  #hasBegun = false;
  #hasEnded = false;

  /** @param take gets each command, in order; what it throws ends the reading */
  constructor(take: (command: SendCommand) => void) {
    this.#take = take;
  }

  /** @throws StreamError where this is no such stream, or it is damaged */
  push(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#neededBytes) return;
    const rest = this.#readAll(Buffer.concat(this.#pieces));
    this.#pieces = [rest];
    this.#pendingBytes = rest.length;
  }

  /** @returns what is not there as a whole */
  #readAll(pending: Buffer): Buffer {
    let bytes = pending;
    if (this.#version === undefined) {
      this.#version = readHeader(bytes);
      bytes = bytes.subarray(HEADER_BYTES);
    }
    for (;;) {
      this.#neededBytes = neededBytes(bytes);
      if (bytes.length < this.#neededBytes) return bytes;
      if (this.#hasEnded) throw new StreamError("it goes on after its end");
      const command = bytes.subarray(0, this.#neededBytes);
      requireChecksum(command);
      this.#read(command);
      bytes = bytes.subarray(command.length);
    }
  }

  /** @throws StreamError where the stream was cut off */
  end(): void {
    if (this.#hasEnded && this.#pendingBytes === 0) return;
    throw new StreamError("it was cut off");
  }

  #read(command: Buffer): void {
    const number = command.readUInt16LE(4);
    if (number === END) {
      this.#hasEnded = true;
      return;
    }
    const kind = COMMANDS[number];
    if (kind === undefined) {
      throw new StreamError(`it has the unknown command ${String(number)}`);
    }
    if ((kind === "begins") === this.#hasBegun) {
      throw new StreamError(
        this.#hasBegun ? "it begins twice" : "its beginning is missing",
      );
    }
    this.#hasBegun = true;
    if (kind === "begins" || kind === "ignored") return;
    const paths = readPaths(command, this.#version ?? 1);
    const path = requirePath(paths.get(PATH), kind);
    switch (kind) {
      case "move":
        this.#take({ kind, path, to: requirePath(paths.get(PATH_TO), kind) });
        return;
      case "make":
      case "link":
      case "remove":
        this.#take({ kind, path });
        return;
      case "content":
      case "attributes":
      case "xattrs":
        this.#take({ kind: "change", path, part: kind });
        return;
      default:
        kind satisfies never;
    }
  }
}

function readHeader(bytes: Buffer): number {
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new StreamError("it does not begin as a send stream does");
  }
  const version = bytes.readUInt32LE(MAGIC.length);
  if (version >= 1 && version <= 3) return version;
  throw new StreamError(`its version is ${String(version)}`);
}

/** How many bytes there must be to read the first command, or its length. @throws StreamError */
function neededBytes(bytes: Buffer): number {
  if (bytes.length < COMMAND_HEADER_BYTES) return COMMAND_HEADER_BYTES;
  const length = COMMAND_HEADER_BYTES + bytes.readUInt32LE(0);
  if (length <= MAX_COMMAND_BYTES) return length;
  throw new StreamError(`a command has ${String(length)} bytes`);
}

/** @throws StreamError */
function requireChecksum(command: Buffer): void {
  const start = crc32c(command.subarray(0, CRC_AT));
  const middle = crc32c(Buffer.alloc(4), start);
  const checksum = crc32c(command.subarray(COMMAND_HEADER_BYTES), middle);
  if (checksum === command.readUInt32LE(CRC_AT)) return;
  throw new StreamError("the checksum of a command is wrong");
}

function readPaths(command: Buffer, version: number): Map<number, string> {
  const paths = new Map<number, string>();
  let at = COMMAND_HEADER_BYTES;
  while (at < command.length) {
    if (at + 2 > command.length) throw new StreamError(CUT_ATTRIBUTE);
    const type = command.readUInt16LE(at);
    if (type === DATA && version >= 2) break;
    if (at + 4 > command.length) throw new StreamError(CUT_ATTRIBUTE);
    const end = at + 4 + command.readUInt16LE(at + 2);
    if (end > command.length) throw new StreamError(CUT_ATTRIBUTE);
    if (type === PATH || type === PATH_TO) {
      paths.set(type, command.toString("latin1", at + 4, end));
    }
    at = end;
  }
  return paths;
}

const CUT_ATTRIBUTE = "an attribute ends behind its command";

/** @throws StreamError where it leads out of the subvolume */
function requirePath(path: string | undefined, what: string): string {
  // Of the subvolume itself.
  if (path === "" && !["make", "move", "link", "remove"].includes(what)) {
    return path;
  }
  const isValid =
    path !== undefined &&
    path.length <= MAX_PATH_BYTES &&
    !path.includes("\0") &&
    path.split("/").every((name) => !["", ".", ".."].includes(name));
  if (isValid) return path;
  throw new StreamError(`a command (${what}) has no valid path`);
}
