/**
 * What a name says of its directory, by the whiteouts of OCI's image layers.
 * @see https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 */
type Whiteout =
  /** What stands at this name goes. */
  | { readonly kind: "delete"; readonly name: string }
  /** All that is in the directory goes. */
  | { readonly kind: "opaque" }
  /** Reserved, or without a name: it has no meaning, and is not copied. */
  | { readonly kind: "invalid" };

const PREFIX = ".wh.";

/** @returns `undefined` where the name is an ordinary one */
export function parseWhiteout(name: string): Whiteout | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const deleted = name.slice(PREFIX.length);
  if (deleted === ".wh..opq") return { kind: "opaque" };
  const isName =
    !["", ".", ".."].includes(deleted) && !deleted.startsWith(PREFIX);
  return isName ? { kind: "delete", name: deleted } : { kind: "invalid" };
}
