import { BootError, type ErrorCode } from "../../../runtime/base/errors.ts";
import { escapeControl } from "../../../runtime/base/escape.ts";
import {
  fullRepository,
  parseImageReference,
  splitDomain,
} from "../../../runtime/images/image-ref.ts";

/** The programs by which an engine is told what to do. */
export type EngineName = "docker" | "podman" | "nerdctl";

/** What became of a pull, as far as its engine's words tell. */
export interface PullFailure {
  readonly error: BootError;
  /**
   * - `missing`: the registry has no such image
   * - `hidden`: it has none, or does not show it to those who are not logged in
   * - `unknown`: the engine's words are not known
   */
  readonly kind: "missing" | "hidden" | "unknown" | "other";
}

interface Reason {
  readonly kind?: PullFailure["kind"];
  readonly texts: RegExp;
  readonly code: ErrorCode;
  /** @param text the reference */
  readonly describe: (text: string) => string;
  readonly advise: (engine: EngineName, registry: string) => string;
}

const SERVICES: Readonly<Record<EngineName, string>> = {
  docker: "docker",
  podman: "podman",
  nerdctl: "containerd",
};

/** Where each engine looks for certificates of registries, below /etc. */
const CONFIGURATIONS: Readonly<Record<EngineName, string>> = {
  docker: "docker",
  podman: "containers",
  nerdctl: "containerd",
};

/** Podman keeps credentials in the directory of a session, where nobody else looks, unless it is told. */
const logIn = (engine: EngineName, registry: string) =>
  engine === "podman"
    ? `podman login --authfile /root/.config/containers/auth.json ${registry}`
    : `${engine} login ${registry}`;

/** The first that fits counts: an engine names what it was doing, too. */
const REASONS: readonly Reason[] = [
  {
    texts:
      /Cannot connect to the Docker daemon|failed to connect to the docker API|cannot access containerd socket/,
    code: "ENGINE_STOPPED",
    describe: (text) => `cannot pull ${text}: its engine is not running`,
    advise: (engine) =>
      `Start it: systemctl start ${SERVICES[engine]}. Or take what the image store has: --pull never.`,
  },
  {
    texts: /no space left on device|disk quota exceeded/i,
    code: "PULL_FAILED",
    describe: (text) => `the disk is too full for ${text}`,
    advise: (engine) =>
      `Remove images that are not needed (${engine} image prune), or old generations below .dockroot.`,
  },
  {
    texts: /toomanyrequests|429 Too Many Requests/,
    code: "PULL_FAILED",
    describe: () => "the registry limits how many images are pulled",
    advise: (engine, registry) =>
      `Wait, or log in, which raises the limit: ${logIn(engine, registry)}.`,
  },
  {
    texts:
      /no matching manifest for|no image found in (?:manifest list|image index)|no match for platform/,
    code: "IMAGE_MISSING",
    describe: (text) => `${text} is not made for this machine's architecture`,
    advise: () =>
      "Build it for this machine, too: docker buildx build --platform.",
  },
  {
    texts: /x509:|certificate|HTTP response to HTTPS client|tls: /,
    code: "PULL_FAILED",
    describe: (text) => `the registry of ${text} is not trusted here`,
    advise: (engine, registry) =>
      `Set the clock (date), or put the certificate of its authority into /etc/${CONFIGURATIONS[engine]}/certs.d/${registry}/ca.crt.`,
  },
  {
    texts:
      /dial tcp|no such host|i\/o timeout|connection (?:refused|reset)|network is unreachable|no route to host|TLS handshake timeout|Client\.Timeout|deadline exceeded|\bEOF\b|50\d (?:Bad|Service|Gateway|Internal)/,
    code: "PULL_FAILED",
    describe: (text) => `the registry of ${text} cannot be reached`,
    advise: (_engine, registry) =>
      `See whether the network is up and the name is found: getent hosts ${registry.replace(/:\d+$/, "")}.`,
  },
  {
    kind: "hidden",
    texts:
      /requested access to the resource is denied|repository does not exist or may require(?!.*no basic auth)|insufficient_scope/,
    code: "PULL_FAILED",
    describe: (text) =>
      `the registry has no image ${text}, or hides it from those who are not logged in`,
    advise: (engine, registry) =>
      `Correct the name, or log in as root: ${logIn(engine, registry)}.`,
  },
  {
    texts:
      /unauthorized|authentication required|no basic auth credentials|denied|authorization failed|403 Forbidden/i,
    code: "PULL_FAILED",
    describe: (text) => `the registry refuses ${text} to this machine`,
    advise: (engine, registry) => `Log in as root: ${logIn(engine, registry)}.`,
  },
  {
    kind: "missing",
    texts: /manifest unknown|name unknown|not found/i,
    code: "IMAGE_MISSING",
    describe: (text) => `the registry has no image ${text}`,
    advise: () => "Correct the name or the tag, or push the image first.",
  },
];

const UNKNOWN: Reason = {
  kind: "unknown",
  texts: /^/,
  code: "PULL_FAILED",
  describe: (text) => `cannot pull ${text}`,
  advise: (engine) => `See what ${engine} says when it is asked by hand.`,
};

/** How many of its last lines may tell why it failed. */
const READ_LINES = 6;

const SHOWN_LINES = 2;

/**
 * What a pull that failed means, and what to do.
 * @param text the reference, as the engine was given it
 * @param said what the engine printed
 */
export function explainPull(
  engine: EngineName,
  text: string,
  said: string,
): PullFailure {
  const lines = said.split("\n").filter((line) => line.trim() !== "");
  const last = lines.slice(-READ_LINES).join("\n");
  const reason = REASONS.find(({ texts }) => texts.test(last)) ?? UNKNOWN;
  // Podman ends with empty lines, or with what it has said already.
  const start = lines.findLastIndex((line) => line.startsWith("Error"));
  const shown = lines
    .slice(start === -1 ? -SHOWN_LINES : start)
    .slice(0, SHOWN_LINES)
    .map(escapeControl)
    .join("; ");
  const error = new BootError(reason.code, reason.describe(text), {
    hint: reason.advise(engine, registryOf(text)),
    ...(shown !== "" && { cause: new Error(shown) }),
  });
  return { error, kind: reason.kind ?? "other" };
}

function registryOf(text: string): string {
  const reference = parseImageReference(text);
  return reference.kind === "id"
    ? ""
    : splitDomain(fullRepository(reference.repository)).domain;
}
