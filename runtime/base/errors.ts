/** What a failure is about; stable, for tests and for `boot.json`. */
export type ErrorCode =
  | "INVALID_CMDLINE"
  | "INVALID_OPTION"
  | "INVALID_CONFIG"
  | "INVALID_REFERENCE"
  | "NOT_INITRAMFS"
  | "NOT_ROOT"
  | "DEVICE_NOT_FOUND"
  | "DEVICE_AMBIGUOUS"
  | "DEVICE_UNSUITABLE"
  | "MOUNT_FAILED"
  | "STORE_MISSING"
  | "STORE_UNSUPPORTED"
  | "STORE_DAMAGED"
  | "STORE_AMBIGUOUS"
  | "IMAGE_MISSING"
  | "IMAGE_AMBIGUOUS"
  | "IMAGE_EMPTY"
  | "SOURCE_MISSING"
  | "IMAGE_NOT_UNPACKED"
  | "TOPLAYER_MISSING"
  | "TOPLAYER_UNSUITABLE"
  | "RWLAYER_FOREIGN"
  | "RWLAYER_IN_USE"
  | "DISK_BUSY"
  | "RWLAYER_UNSUITABLE"
  | "INIT_MISSING"
  | "GENERATION_MISSING"
  | "BASE_MISSING"
  | "HELPER_MISSING"
  | "STEP_FAILED"
  | "KERNEL_MISSING"
  | "GENERATOR_UNSUITABLE"
  | "LOADER_MISSING"
  | "ENTRY_UNSUITABLE"
  | "FILE_FOREIGN"
  | "NO_ROOM"
  | "DEPLOYMENT_MISSING"
  | "DEPLOYMENT_IN_USE"
  | "DEPLOYMENT_BAD"
  | "NOTHING_BOOTED"
  | "ROOT_OTHER"
  | "STATE_TOO_NEW"
  | "FILE_UNREADABLE"
  | "GENERATOR_MISSING"
  | "GENERATOR_AMBIGUOUS"
  | "INSTALL_FAILED"
  | "INTERRUPTED"
  | "ENGINE_MISSING"
  | "ENGINE_STOPPED"
  | "PULL_FAILED";

/** The hint where a helper or a system call failed, and nothing better is known. */
export const SEE_KERNEL_LOG = "The kernel log may say more: dmesg | tail.";

/** A failure that the user can act on. Anything else that is thrown is a bug in dockroot. */
export class BootError extends Error {
  readonly code: ErrorCode;
  /** What to do, as a sentence for the console. */
  readonly hint: string | undefined;
  /** Whether the causes name files that not everybody may see. */
  readonly hasPrivateCauses: boolean;

  /** @param message a sentence without a full stop: `cannot <verb> <object>`, or what is wrong with what */
  constructor(
    code: ErrorCode,
    message: string,
    options: {
      hint?: string | undefined;
      cause?: unknown;
      hasPrivateCauses?: boolean;
    } = {},
  ) {
    super(message, options);
    this.name = "BootError";
    this.code = code;
    this.hint = options.hint;
    this.hasPrivateCauses = options.hasPrivateCauses ?? false;
  }
}

/**
 * Carries what went wrong with files whose names not everybody may see, to whoever says what it was
 * for (`asFailureOf`).
 */
export class PrivateError extends Error {
  constructor(cause: unknown) {
    super("it is about files that not everybody may see", { cause });
    this.name = "PrivateError";
  }
}

/** The command was called wrongly (exit status 2). */
export class UsageError extends Error {
  /** The command whose help explains it. */
  command: string | undefined;

  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Does a command's work. A UsageError that it throws names the command. */
export async function explainUsage<T>(
  command: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UsageError) error.command ??= command;
    throw error;
  }
}

/** A system call that failed: the machine's doing, not a bug. */
export function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

/** The system's error code (`ENOENT`, ...) of what a system call threw. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** A helper program that could not be started, failed, was killed, took too long, or said too much. */
export class HelperError extends Error {
  readonly kind: "missing" | "start" | "exit" | "signal" | "timeout" | "output";

  constructor(
    kind: HelperError["kind"],
    message: string,
    options?: { cause: unknown },
  ) {
    super(message, options);
    this.name = "HelperError";
    this.kind = kind;
  }
}
