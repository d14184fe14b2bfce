/** The text of a configuration file. */
export interface ConfigText {
  readonly text: string;
  /** The bytes of a text in the encoding of this one, and with its byte order mark. */
  encode(text: string): Buffer;
}

interface Encoding {
  readonly mark: readonly number[];
  readonly toText: (bytes: Buffer) => string;
  readonly toBytes: (text: string) => Buffer;
}

const UTF8: Encoding = {
  mark: [],
  toText: (bytes) => bytes.toString("utf8"),
  toBytes: (text) => Buffer.from(text),
};

const LITTLE_ENDIAN: Encoding = {
  mark: [0xff, 0xfe],
  toText: (bytes) => bytes.toString("utf16le"),
  toBytes: (text) => Buffer.from(text, "utf16le"),
};

const BIG_ENDIAN: Encoding = {
  mark: [0xfe, 0xff],
  toText: (bytes) => swap(bytes).toString("utf16le"),
  toBytes: (text) => swap(Buffer.from(text, "utf16le")),
};

const MARKED = [
  { ...UTF8, mark: [0xef, 0xbb, 0xbf] },
  LITTLE_ENDIAN,
  BIG_ENDIAN,
];

/**
 * Decodes UTF-8, or UTF-16 of either byte order, with a byte order mark or, where it begins with two
 * ASCII characters, without one.
 * @param mayBeUtf16 whether its program reads UTF-16
 * @returns `undefined` where the bytes are something else: the text would not make them again
 * @see https://www.rodsbooks.com/refind/configfile.html (rEFInd reads UTF-16)
 */
export function decodeConfig(
  bytes: Buffer,
  mayBeUtf16: boolean,
): ConfigText | undefined {
  const { mark, toText, toBytes } = mayBeUtf16 ? findEncoding(bytes) : UTF8;
  const encode = (text: string) =>
    Buffer.concat([Buffer.from(mark), toBytes(text)]);
  const text = toText(bytes.subarray(mark.length));
  return encode(text).equals(bytes) && !text.includes("\0")
    ? { text, encode }
    : undefined;
}

function findEncoding(bytes: Buffer): Encoding {
  const marked = MARKED.find(({ mark }) =>
    mark.every((byte, index) => bytes[index] === byte),
  );
  if (marked !== undefined) return marked;
  const [first, second, third, fourth] = bytes;
  if (second === 0 && fourth === 0) return { ...LITTLE_ENDIAN, mark: [] };
  if (first === 0 && third === 0) return { ...BIG_ENDIAN, mark: [] };
  return UTF8;
}

/** @returns a copy with the bytes of each pair swapped; one that has no other stays */
function swap(bytes: Buffer): Buffer {
  const swapped = Buffer.from(bytes);
  swapped.subarray(0, bytes.length - (bytes.length % 2)).swap16();
  return swapped;
}
