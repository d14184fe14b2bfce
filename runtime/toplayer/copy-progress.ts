import type { Host } from "../host/host.ts";

const NEWLINE = "\n".charCodeAt(0);
/** Begins the lines that tell what made room: `removed '...'`. */
const REMOVED = "r".charCodeAt(0);
const MAX_IO_BYTES = 4096;

/** How far calls of cp have come that name what they copy (`--verbose`). */
export interface CopyProgress {
  /** Takes what they print. */
  readonly count: (output: Buffer) => void;
  readonly startCall: (processId: number) => void;
  readonly describe: () => string;
}

/** @param total how many entries there are to copy */
export function createCopyProgress(host: Host, total: number): CopyProgress {
  let copied = 0;
  let isLineStart = true;
  let bytesOfFormerCalls = 0;
  let bytesOfCall = 0;
  let processId: number | undefined;
  return {
    count: (output) => {
      for (let start = 0; start < output.length;) {
        if (isLineStart && output[start] !== REMOVED) copied += 1;
        const end = output.indexOf(NEWLINE, start);
        isLineStart = end !== -1;
        start = isLineStart ? end + 1 : output.length;
      }
    },
    startCall: (started) => {
      bytesOfFormerCalls += bytesOfCall;
      bytesOfCall = 0;
      processId = started;
    },
    describe: () => {
      if (processId !== undefined) {
        bytesOfCall = Math.max(bytesOfCall, readWritten(host, processId));
      }
      const megabytes = Math.round((bytesOfFormerCalls + bytesOfCall) / 1e6);
      return `${String(Math.min(copied, total))} of ${String(total)} entries, ${String(megabytes)} MB written`;
    },
  };
}

/** What a process has written, see proc_pid_io(5); 0 where the kernel does not count that, or it has ended. */
function readWritten(host: Host, processId: number): number {
  const file = `/proc/${String(processId)}/io`;
  const [, bytes = "0"] =
    /^wchar: (\d+)$/m.exec(host.readText(file, MAX_IO_BYTES) ?? "") ?? [];
  return Number(bytes);
}
