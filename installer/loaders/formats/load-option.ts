import { stubInitrds, type MenuEntry } from "./boot-loader.ts";

const ACTIVE = 1;

/** Where the description begins. */
const DESCRIPTION_AT = 6;

const NODE_HEADER_BYTES = 4;

const MEDIA_PATH = 4;

const FILE_PATH = 4;

/** A text of the firmware's: UTF-16, with a zero at its end or without one. */
export function decodeEfiText(bytes: Buffer): string {
  return bytes.toString("utf16le").replace(/\0[^]*$/, "");
}

/**
 * Parses an entry of the firmware's own menu, a variable Boot####, that hands a text to its program.
 * @param value without the attributes that the kernel puts before it
 * @returns `undefined` where it is not shown, or hands over none
 * @see https://uefi.org/specs/UEFI/2.10/03_Boot_Manager.html#load-options
 */
export function parseLoadOption(value: Buffer): MenuEntry | undefined {
  if (value.length < DESCRIPTION_AT) return undefined;
  const pathsBytes = value.readUInt16LE(4);
  let end = DESCRIPTION_AT;
  while (end + 2 <= value.length && value.readUInt16LE(end) !== 0) end += 2;
  const optionsAt = end + 2 + pathsBytes;
  const options = decodeEfiText(value.subarray(optionsAt)).trim();
  const isText = /^[\x20-\x7e]+$/.test(options);
  const isActive = (value.readUInt32LE(0) & ACTIVE) !== 0;
  if (!isActive || !isText) return undefined;
  return {
    title: decodeEfiText(value.subarray(DESCRIPTION_AT, end)),
    kernel: findFilePath(value.subarray(end + 2, optionsAt)),
    initrds: stubInitrds(options),
    options,
  };
}

/** @see https://uefi.org/specs/UEFI/2.10/10_Protocols_Device_Path_Protocol.html#file-path-media-device-path */
function findFilePath(nodes: Buffer): string {
  let file = "";
  for (let at = 0; at + NODE_HEADER_BYTES <= nodes.length;) {
    const length = nodes.readUInt16LE(at + 2);
    if (length < NODE_HEADER_BYTES) break;
    if (nodes[at] === MEDIA_PATH && nodes[at + 1] === FILE_PATH) {
      const name = nodes.subarray(at + NODE_HEADER_BYTES, at + length);
      file += decodeEfiText(name);
    }
    at += length;
  }
  return file;
}

/** The numbers in BootOrder, as the names of variables and efibootmgr have them. */
export function parseBootOrder(value: Buffer): string[] {
  return Array.from({ length: Math.floor(value.length / 2) }, (_, index) =>
    value
      .readUInt16LE(index * 2)
      .toString(16)
      .toUpperCase()
      .padStart(4, "0"),
  );
}
