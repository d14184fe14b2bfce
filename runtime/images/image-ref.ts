import { BootError } from "../base/errors.ts";
import type { Host } from "../host/host.ts";
import type { StoreKind } from "../options/table.ts";

/**
 * Which image is meant, as Docker understands references
 * (https://pkg.go.dev/github.com/distribution/reference).
 */
export type ImageReference =
  { readonly kind: "id"; readonly id: ImageId } | ImageName;

export interface ImageName {
  readonly kind: "name";
  /** The repository as Docker prints it: `alpine`, `me/system`, `registry.example:5000/x/y`. */
  readonly repository: string;
  /** Whether the text itself named a registry; `library/` is Docker Hub's. */
  readonly isQualified: boolean;
  readonly tag: string;
  readonly digest: string | undefined;
  /** Where the text could also be the beginning of an ID: those hex digits. A name wins. */
  readonly idPrefix: string | undefined;
}

/** `sha256:` and 64 hex digits. */
export type ImageId = `sha256:${string}`;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

const DOMAIN =
  /^(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?$|^\[[a-fA-F0-9:]+\](?::[0-9]+)?$/;

const TAG = /^\w[\w.-]{0,127}$/;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

const MAX_NAME_LENGTH = 255;

/** The tag of a name without one. */
export const DEFAULT_TAG = "latest";
const DOCKER_HUB = "docker.io";

/** Whether it is an image ID, or another digest: `sha256:` and 64 hex digits. */
export function isImageId(value: unknown): value is ImageId {
  return typeof value === "string" && DIGEST.test(value);
}

/** The hex digits of a digest. */
export function hexOf(id: string): string {
  return id.slice("sha256:".length);
}

/**
 * Parses `name`, `name:tag`, `name@sha256:...`, an image ID, or the beginning of one.
 * @param text as a user writes it
 * @param defaultTag the tag where the text has none of its own
 * @throws BootError INVALID_REFERENCE
 */
export function parseImageReference(
  text: string,
  defaultTag = DEFAULT_TAG,
): ImageReference {
  const id = parseImageId(text);
  if (id !== undefined) return { kind: "id", id };

  const { name, tag = defaultTag, digest } = splitReference(text);
  if (digest !== undefined && !DIGEST.test(digest)) {
    throw invalid(
      text,
      /^(?:sha256:)?[0-9a-f]+$/.test(digest)
        ? `its digest must be "sha256:" and 64 hex digits, and an image ID stands alone, without a name`
        : `its digest must be "sha256:" and 64 hex digits`,
    );
  }
  if (parseImageId(name) !== undefined) {
    throw invalid(text, "an image ID has no tag and no digest");
  }
  if (!TAG.test(tag)) {
    throw invalid(
      text,
      `its tag "${tag}" must be letters, digits, "_", "." and "-", 128 at most`,
    );
  }
  const { domain, path, isQualified } = splitDomain(name);
  if (!DOMAIN.test(domain)) {
    throw invalid(text, `"${domain}" is not a valid registry name`);
  }
  const wrong = path.split("/").find((component) => !COMPONENT.test(component));
  if (wrong !== undefined) {
    throw invalid(
      text,
      wrong === ""
        ? "a part of its name is empty"
        : `"${wrong}" must be lower-case letters and digits, joined by ".", "_" or "-"`,
    );
  }
  if (name.length > MAX_NAME_LENGTH) {
    throw invalid(text, "its name is too long");
  }
  return {
    kind: "name",
    repository: familiarRepository(domain, path),
    isQualified,
    tag,
    digest,
    idPrefix: /^(?:sha256:)?([0-9a-f]{1,63})$/.exec(text)?.[1],
  };
}

/** The ID that the text is, with or without `sha256:`. */
export function parseImageId(text: string): ImageId | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

/**
 * The reference as its engine prints it, to be parsed again. What may be the beginning of an ID gets no
 * tag, with which it would be a name alone.
 * @param found what it has led to
 */
export function formatImageReference(
  reference: ImageReference,
  found?: {
    readonly id: string;
    readonly store: StoreKind | "kept";
    readonly reference?: string;
  },
): string {
  if (found?.reference !== undefined) return found.reference;
  if (reference.kind === "id") return reference.id;
  const { tag, digest, idPrefix, isQualified } = reference;
  const isId =
    idPrefix !== undefined &&
    (tag === DEFAULT_TAG || found?.id.startsWith(`sha256:${idPrefix}`));
  if (isId && reference.repository === idPrefix) return idPrefix;
  // For Podman a name without its registry may be another one's, too.
  const repository =
    isQualified && found?.store === "podman"
      ? fullRepository(reference.repository)
      : reference.repository;
  return digest === undefined
    ? `${repository}:${tag}`
    : `${repository}@${digest}`;
}

/** A repository with its registry: `docker.io/library/alpine` for `alpine`. */
export function fullRepository(repository: string): string {
  const slash = repository.indexOf("/");
  if (slash === -1) return `${DOCKER_HUB}/library/${repository}`;
  return isDomain(repository.slice(0, slash))
    ? repository
    : `${DOCKER_HUB}/${repository}`;
}

/** The name as Docker prints it: `alpine:3` for `docker.io/library/alpine:3`. */
export function familiarName(full: string): string {
  const prefix = `${DOCKER_HUB}/`;
  return full.startsWith(prefix)
    ? familiarRepository(DOCKER_HUB, full.slice(prefix.length))
    : full;
}

/** The parts of a reference that is no ID, as they are written: none of them is checked. */
export function splitReference(text: string): {
  name: string;
  tag: string | undefined;
  digest: string | undefined;
} {
  const at = text.indexOf("@");
  const digest = at === -1 ? undefined : text.slice(at + 1);
  const named = at === -1 ? text : text.slice(0, at);
  const colon = named.lastIndexOf(":");
  if (colon <= named.lastIndexOf("/")) {
    return { name: named, tag: undefined, digest };
  }
  return { name: named.slice(0, colon), tag: named.slice(colon + 1), digest };
}

/** A name's registry, and what is below it. */
export function splitDomain(name: string): {
  domain: string;
  path: string;
  isQualified: boolean;
} {
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  if (!isDomain(first)) {
    return {
      domain: DOCKER_HUB,
      path: name,
      isQualified: first === "library",
    };
  }
  return {
    domain: first === "index.docker.io" ? DOCKER_HUB : first,
    path: name.slice(slash + 1),
    isQualified: true,
  };
}

function isDomain(component: string): boolean {
  return (
    component === "localhost" ||
    /[.:]/.test(component) ||
    component !== component.toLowerCase()
  );
}

function familiarRepository(domain: string, path: string): string {
  if (domain !== DOCKER_HUB) return `${domain}/${path}`;
  const official = /^library\/([^/]+)$/.exec(path)?.[1];
  return official ?? path;
}

function invalid(text: string, why: string): BootError {
  return new BootError(
    "INVALID_REFERENCE",
    `"${text}" is not a valid image reference: ${why}`,
    {
      hint: "Write it as Docker does: name, name:tag, name@sha256:..., or an image ID alone.",
    },
  );
}

const OTHER_NAMES: Readonly<Record<string, string>> = { x64: "amd64" };

/** What images call this machine's architecture, as Go does (https://go.dev/doc/install/source#environment). */
export function goArchitecture({ architecture }: Host): string {
  return OTHER_NAMES[architecture] ?? architecture;
}
