/** What `blkid -p -o udev` tells of one device. */
export interface ProbedDevice {
  readonly type: string | undefined;
  readonly uuid: string | undefined;
  readonly label: string | undefined;
  readonly partition:
    | {
        readonly uuid: string | undefined;
        readonly isGpt: boolean;
        readonly number: number | undefined;
        /** `major:minor` of the whole disk. */
        readonly disk: string | undefined;
      }
    | undefined;
}

/**
 * Parses `NAME=value` lines; of a label the encoded form, where all that is not plain is `\xNN`.
 * @see https://man7.org/linux/man-pages/man8/blkid.8.html
 */
export function parseBlkidProbe(text: string): ProbedDevice {
  const values = new Map(
    text.split("\n").map((line): [string, string] => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
  const scheme = values.get("ID_PART_ENTRY_SCHEME");
  const number = values.get("ID_PART_ENTRY_NUMBER");
  const label = values.get("ID_FS_LABEL_ENC");
  return {
    type: values.get("ID_FS_TYPE"),
    uuid: values.get("ID_FS_UUID"),
    label: label === undefined ? undefined : decode(label),
    partition:
      scheme === undefined
        ? undefined
        : {
            uuid: values.get("ID_PART_ENTRY_UUID"),
            isGpt: scheme === "gpt",
            number: number === undefined ? undefined : Number(number),
            disk: values.get("ID_PART_ENTRY_DISK"),
          },
  };
}

/** Byte for byte: what is not escaped may be UTF-8. */
function decode(encoded: string): string {
  const bytes = Buffer.from(encoded, "utf8")
    .toString("latin1")
    .replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
