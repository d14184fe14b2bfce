import { createHash } from "node:crypto";

/**
 * The chain ID of a stack of layers: `c0 = diff0`, `cN = sha256(c(N-1) + " " + diffN)`.
 * @param diffIds at least one, the base layer first; each `sha256:` and 64 hex digits
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
 */
export function chainId(diffIds: readonly string[]): string {
  return diffIds.reduce(
    (chain, diffId) => `sha256:${sha256(`${chain} ${diffId}`)}`,
  );
}

/** Lower-case hex. */
export function sha256(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
