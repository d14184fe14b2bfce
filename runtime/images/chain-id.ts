import { sha256 } from "../base/sha256.ts";

/**
 * The chain ID of each layer in a stack: `c0 = diff0`, `cN = sha256(c(N-1) + " " + diffN)`.
 * @param diffIds the base layer first; each `sha256:` and 64 hex digits
 * @see https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
 */
export function chainIds(diffIds: readonly string[]): string[] {
  const chains: string[] = [];
  for (const diffId of diffIds) {
    const below = chains.at(-1);
    chains.push(
      below === undefined ? diffId : `sha256:${sha256(`${below} ${diffId}`)}`,
    );
  }
  return chains;
}
