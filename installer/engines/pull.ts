import { BootError, HelperError } from "../../runtime/base/errors.ts";
import { escapeControl } from "../../runtime/base/escape.ts";
import type { Host } from "../../runtime/host/host.ts";
import {
  fullRepository,
  goArchitecture,
  parseImageId,
  parseImageReference,
  splitReference,
} from "../../runtime/images/image-ref.ts";
import type { StoreKind } from "../../runtime/options/table.ts";
import { CONTAINERD_NAMESPACE } from "../../runtime/stores/containerd/containerd.ts";
import type { Snapshotter } from "../../runtime/stores/containerd/snapshotter.ts";
import { hasFile } from "../system/has-file.ts";
import type { Home } from "./formats/engine-configs.ts";
import {
  explainPull,
  type EngineName,
  type PullFailure,
} from "./formats/explain-pull.ts";
import {
  parseDockerManifest,
  parseManifest,
  parseShownImage,
  type OfferedImage,
  type ShownImage,
} from "./formats/engine-answers.ts";

/** What a pull has changed. */
export interface PullResult {
  /** `local`: the image was built here. */
  readonly kind: "pulled" | "unchanged" | "local";
  /** Of such an image what the registry answered, where one was asked. */
  readonly denial?: BootError;
}

const DIRECTORIES = ["/usr/bin", "/usr/local/bin"];

const PACKAGES: Readonly<Record<EngineName, string>> = {
  docker: "docker.io, or docker-cli",
  podman: "podman",
  nerdctl: "nerdctl",
};

/** An engine, as it is to be told what to do. */
export interface Engine {
  readonly name: EngineName;
  /** Before each of its commands. */
  readonly flags: readonly string[];
}

const ASK_TIMEOUT_MS = 60_000;

const KEPT_LINES = 20;

/** What engines say of an image that they do not have. */
const ABSENT = /no such image|image not known/i;

/**
 * The engine that keeps its images in a store.
 * @param store its kind and its home, and whether roots of its images are overlays
 * @returns `undefined` where its program is not installed
 */
export function findEngine(
  host: Host,
  store: {
    readonly kind: StoreKind | undefined;
    readonly home: Home;
    readonly isOverlay: boolean;
  },
): Engine | undefined {
  const { kind, home } = store;
  const owners: readonly EngineName[] =
    kind === "podman" || home === "podman"
      ? ["podman"]
      : home === "containerd"
        ? ["docker", "nerdctl"]
        : ["docker"];
  const name = owners.find((each) => findProgram(host, each) !== undefined);
  return name && { name, flags: flagsOf(name, store) };
}

/** containerd keeps the images of each of its users apart, and roots are made of Docker's. */
function flagsOf(
  name: EngineName,
  { isOverlay }: { readonly isOverlay: boolean },
): string[] {
  if (name !== "nerdctl") return [];
  const snapshotter: Snapshotter = isOverlay ? "overlayfs" : "btrfs";
  return ["--namespace", CONTAINERD_NAMESPACE, "--snapshotter", snapshotter];
}

/**
 * Lets an engine pull an image. For one that was built here, as far as its engine tells, no registry is
 * asked: its name may be another's there.
 * @param text a name, as a user writes it
 * @param tell gets each line that the engine prints, as it comes
 * @throws BootError INVALID_REFERENCE, ENGINE_MISSING, ENGINE_STOPPED, IMAGE_MISSING, PULL_FAILED
 */
export async function pullImage(
  host: Host,
  engine: Engine,
  text: string,
  tell: (line: string) => void,
): Promise<PullResult> {
  const before = await showImage(host, engine, text);
  if (before !== undefined && isBuiltHere(engine.name, text, before)) {
    return { kind: "local" };
  }
  const failure = await runPull(host, engine, text, tell);
  if (failure !== undefined) {
    const { error } = failure;
    if (isUnknownThere(failure, text, before)) {
      return { kind: "local", denial: error };
    }
    throw error;
  }
  const after = await showImage(host, engine, text);
  return { kind: after?.Id === before?.Id ? "unchanged" : "pulled" };
}

/**
 * What the registry has under a name. Nothing is fetched.
 * @returns `undefined` where that is nothing, and the image was built here; and where the engine cannot tell:
 *   docker of a registry that it must log in to or that has no certificate, podman of an image that is for
 *   one platform alone, nerdctl
 * @throws BootError as `pullImage`
 */
export async function askRegistry(
  host: Host,
  engine: Engine,
  text: string,
): Promise<OfferedImage | undefined> {
  if (engine.name === "nerdctl") return undefined;
  const here = await showImage(host, engine, text);
  if (here !== undefined && isBuiltHere(engine.name, text, here))
    return undefined;
  const isDocker = engine.name === "docker";
  const flags = isDocker ? ["--verbose"] : [];
  const args = ["manifest", "inspect", ...flags, text];
  const { said, failure } = await askEngine(host, engine, text, args);
  if (failure !== undefined) {
    const isUnknown =
      failure.kind === "unknown" || isUnknownThere(failure, text, here);
    if (isUnknown) return undefined;
    throw failure.error;
  }
  const parse = isDocker ? parseDockerManifest : parseManifest;
  const offered = parse(said, goArchitecture(host));
  if (typeof offered !== "string") return offered;
  // Podman tells of an index the manifest's digest alone; it knows by that what is here, too.
  const isSame = here?.RepoDigests.some((each) => each.endsWith(`@${offered}`));
  const id = isSame === true ? parseImageId(here?.Id ?? "") : undefined;
  return { configId: id ?? null, bytes: null };
}

/**
 * What the registry calls an image, as its engine prints it (`NAME@sha256:...`); `null` for one that was
 * built here, or is not there.
 * @throws BootError ENGINE_MISSING, ENGINE_STOPPED, PULL_FAILED
 */
export async function readRepoDigest(
  host: Host,
  engine: Engine,
  text: string,
): Promise<string | null> {
  const shown = await showImage(host, engine, text);
  return (shown && chooseDigest(engine.name, text, shown)) ?? null;
}

/** An image that no registry has given this name, and whose name says no registry either. */
function isBuiltHere(
  engine: EngineName,
  text: string,
  shown: ShownImage,
): boolean {
  const reference = parseImageReference(text);
  if (reference.kind === "id") return true;
  const isQualified = engine !== "podman" && reference.isQualified;
  return !isQualified && chooseDigest(engine, text, shown) === undefined;
}

/** Whether an image that is here is in no registry. */
function isUnknownThere(
  { kind }: PullFailure,
  text: string,
  here: ShownImage | undefined,
): boolean {
  if (here === undefined) return false;
  if (kind !== "hidden") return kind === "missing";
  const { Id, RepoDigests } = here;
  const reference = parseImageReference(text);
  const isQualified = reference.kind === "name" && reference.isQualified;
  // With containerd, Docker gives what is built here a digest, too: its ID.
  return (
    RepoDigests.length === 0 ||
    (!isQualified && RepoDigests.every((digest) => digest.endsWith(`@${Id}`)))
  );
}

function chooseDigest(
  engine: EngineName,
  text: string,
  { RepoDigests: digests }: ShownImage,
): string | undefined {
  const reference = parseImageReference(text);
  if (reference.kind === "id") return digests[0];
  const own = digests.find(
    (digest) =>
      fullRepository(splitReference(digest).name) ===
      fullRepository(reference.repository),
  );
  if (engine !== "podman") return own;
  // Without a registry a name may be any registry's. Podman gives what is built here a digest, too.
  const found = own ?? (reference.isQualified ? undefined : digests[0]);
  return found?.startsWith("localhost/") === true ? undefined : found;
}

/** @returns `undefined` where the engine has no such image */
async function showImage(
  host: Host,
  engine: Engine,
  text: string,
): Promise<ShownImage | undefined> {
  const args = ["image", "inspect", text];
  const { said, failure } = await askEngine(host, engine, text, args);
  if (failure !== undefined) {
    if (ABSENT.test(said)) return undefined;
    throw failure.error;
  }
  // nerdctl says nothing.
  if (said.trim() === "") return undefined;
  const shown = parseShownImage(said);
  if (shown !== undefined) return shown;
  throw new BootError(
    "PULL_FAILED",
    `unexpected output from ${engine.name} image inspect ${text}`,
    { hint: "Another program may have that name: see which one runs." },
  );
}

/** @returns what the engine answers; where it fails, what it says on stderr, and what that means */
async function askEngine(
  host: Host,
  engine: Engine,
  text: string,
  args: readonly string[],
): Promise<{ readonly said: string; readonly failure?: PullFailure }> {
  const argv = [...commandOf(host, engine), ...args];
  try {
    const { stdout } = await host.run(argv, { timeoutMs: ASK_TIMEOUT_MS });
    return { said: stdout.toString("utf8") };
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    const said = error.message;
    return { said, failure: explainPull(engine.name, text, said) };
  }
}

/** @returns why it failed */
async function runPull(
  host: Host,
  engine: Engine,
  text: string,
  tell: (line: string) => void,
): Promise<PullFailure | undefined> {
  // nerdctl draws its progress, as on a terminal.
  const pull = engine.name === "nerdctl" ? ["pull", "--quiet"] : ["pull"];
  // Both of its outputs, in their order.
  const both = ["sh", "-c", 'exec "$@" 2>&1', "sh"];
  const lines: string[] = [];
  let rest = "";
  tell(`${engine.name} pull ${text}`);
  try {
    await host.run([...both, ...commandOf(host, engine), ...pull, text], {
      onOutput: (chunk) => {
        const parts = (rest + chunk.toString("latin1")).split(/[\r\n]+/);
        rest = parts.pop() ?? "";
        for (const part of parts) {
          const line = Buffer.from(part, "latin1").toString("utf8");
          tell(escapeControl(line));
          lines.push(line);
        }
        lines.splice(0, lines.length - KEPT_LINES);
      },
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof HelperError)) throw error;
    if (error.kind !== "exit") lines.push(error.message);
    return explainPull(engine.name, text, [...lines, rest].join("\n"));
  }
}

/** @throws BootError ENGINE_MISSING */
function commandOf(host: Host, { name, flags }: Engine): string[] {
  const program = findProgram(host, name);
  if (program !== undefined) return [program, ...flags];
  throw new BootError("ENGINE_MISSING", `${name} is not installed`, {
    hint: `Install it in the image (Debian: ${PACKAGES[name]}).`,
  });
}

function findProgram(host: Host, engine: EngineName): string | undefined {
  return DIRECTORIES.map((directory) => `${directory}/${engine}`).find((file) =>
    hasFile(host, file),
  );
}
