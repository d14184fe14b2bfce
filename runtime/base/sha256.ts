import type { Hash } from "node:crypto";

/**
 * Node's crypto takes longer to load than anything else that a boot needs. It is loaded by the
 * first call: where the processor is idle, rather than before the first helper runs.
 */
export function createSha256(): Hash {
  return process.getBuiltinModule("node:crypto").createHash("sha256");
}

/** Lower-case hex. */
export function sha256(content: string | Buffer): string {
  return createSha256().update(content).digest("hex");
}
