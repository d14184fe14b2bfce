import { parsePrettyName } from "./os-release.ts";
import type { OpenFile } from "../../../runtime/host/read-file.ts";

/** A section of a PE file. */
interface PeSection {
  readonly name: string;
  /** Where it begins in the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** A unified kernel image: kernel, initramfs and kernel command line in one EFI program. */
export interface Uki {
  /** `undefined` where it has none of its own. */
  readonly cmdline: string | undefined;
  /** The name of its system, as os-release has it. */
  readonly title: string | undefined;
  /** The kernel's version. */
  readonly version: string | undefined;
  /** Where its initramfs is in the file; `undefined` where it has none. */
  readonly initrd: Omit<PeSection, "name"> | undefined;
}

const DOS_HEADER_BYTES = 64;

const COFF_HEADER_BYTES = 24;

const SECTION_BYTES = 40;

/** More than the loader of a UKI takes are no UKI's. */
const MAX_SECTIONS = 256;

const MAX_TEXT_BYTES = 64 * 1024;

/**
 * Reads a unified kernel image. Of one with several profiles that of the first counts.
 * @returns `undefined` where it is none: it has no kernel
 * @throws BootError FILE_UNREADABLE where it ends too early
 * @see https://uapi-group.org/specifications/specs/unified_kernel_image/
 */
export function readUki(file: OpenFile): Uki | undefined {
  const sections = readSections(file);
  const find = (wanted: string) => sections.find(({ name }) => name === wanted);
  if (find(".linux") === undefined) return undefined;
  const readText = (name: string) => {
    const section = find(name);
    if (section === undefined) return undefined;
    const bytes = Buffer.alloc(Math.min(section.sizeBytes, MAX_TEXT_BYTES));
    file.read(bytes, section.offset);
    return bytes.toString("utf8").replace(/[\0\s]+$/, "");
  };
  return {
    cmdline: readText(".cmdline"),
    title: parsePrettyName(readText(".osrel") ?? ""),
    version: readText(".uname"),
    initrd: find(".initrd"),
  };
}

/**
 * @returns nothing where it is no PE file
 * @see https://learn.microsoft.com/en-us/windows/win32/debug/pe-format
 */
function readSections({ sizeBytes, read }: OpenFile): PeSection[] {
  const readAt = (offset: number, length: number) => {
    const bytes = Buffer.alloc(length);
    read(bytes, offset);
    return bytes;
  };
  if (sizeBytes() < DOS_HEADER_BYTES) return [];
  const dos = readAt(0, DOS_HEADER_BYTES);
  if (dos.toString("latin1", 0, 2) !== "MZ") return [];
  const start = dos.readUInt32LE(0x3c);
  if (sizeBytes() < start + COFF_HEADER_BYTES) return [];
  const coff = readAt(start, COFF_HEADER_BYTES);
  if (coff.toString("latin1", 0, 4) !== "PE\0\0") return [];
  const count = Math.min(coff.readUInt16LE(6), MAX_SECTIONS);
  const optionalHeaderBytes = coff.readUInt16LE(20);
  const table = readAt(
    start + COFF_HEADER_BYTES + optionalHeaderBytes,
    count * SECTION_BYTES,
  );
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(index * SECTION_BYTES);
    const rawBytes = entry.readUInt32LE(16);
    return {
      name: entry.toString("latin1", 0, 8).replace(/\0+$/, ""),
      offset: entry.readUInt32LE(20),
      // VirtualSize leaves out what fills the last block of the file.
      sizeBytes: Math.min(entry.readUInt32LE(8), rawBytes),
    };
  });
}
