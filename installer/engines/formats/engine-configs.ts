import { parse } from "smol-toml";
import * as v from "valibot";
import { withoutMark } from "../../../runtime/base/decode-text.ts";
import { parseJson } from "../../text/parse-json.ts";

/** Whose directory an image store is in. A containerd that Docker starts itself has its in Docker's. */
export const HOMES = ["docker", "containerd", "podman"] as const;

export type Home = (typeof HOMES)[number];

/** Where each engine has its directory, unless it is told otherwise. */
export const USUAL_DIRECTORIES = {
  docker: "/var/lib/docker",
  containerd: "/var/lib/containerd",
  podman: "/var/lib/containers/storage",
} as const satisfies Record<Home, string>;

/** The program by which people fetch images into it. */
export function programOf(home: Home): "docker" | "podman" {
  return home === "podman" ? "podman" : "docker";
}

/** @param names what is in a store's directory */
export function homeOf(names: readonly string[]): Home {
  if (names.includes("io.containerd.metadata.v1.bolt")) return "containerd";
  return names.some((name) => name.endsWith("-images")) ? "podman" : "docker";
}

/** What the engines of a system are told of where images are. */
export interface EngineConfigs {
  readonly docker: DockerConfig;
  readonly podman: PodmanConfig;
  /** `root` of containerd's configuration. */
  readonly containerdRoot: string | undefined;
}

interface ConfigFile {
  /** The one that counts. */
  readonly file: string;
  readonly isPresent: boolean;
  /** Why it is not valid. */
  readonly error: string | undefined;
}

/** What a daemon.json says. */
export interface DockerConfig extends ConfigFile {
  readonly storageDriver: string | undefined;
  /** Whether images are kept by containerd; `undefined` where the engine decides. */
  readonly keepsInContainerd: boolean | undefined;
  readonly dataRoot: string | undefined;
  /** Whether files belong to other users on the disk than in an image. */
  readonly hasUserNamespace: boolean;
}

/** What a storage.conf says. */
export interface PodmanConfig extends ConfigFile {
  readonly driver: string | undefined;
  readonly graphRoot: string | undefined;
}

const DAEMON_JSON = "/etc/docker/daemon.json";
const CONTAINERD_TOML = "/etc/containerd/config.toml";
const STORAGE_CONF = "/etc/containers/storage.conf";
/** Read where the other one is absent. */
const USUAL_STORAGE_CONF = "/usr/share/containers/storage.conf";

/** A value of another kind is passed over: its engine complains of it. */
function ifValid<Shape extends v.GenericSchema>(shape: Shape) {
  return v.fallback(v.optional(shape), undefined);
}

const text = ifValid(v.pipe(v.string(), v.nonEmpty()));

/** @see https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file */
const daemonJson = v.object({
  "storage-driver": text,
  "data-root": text,
  graph: text,
  "userns-remap": text,
  features: ifValid(
    v.object({ "containerd-snapshotter": ifValid(v.boolean()) }),
  ),
});

/** @see https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md */
const storageConf = v.object({
  storage: ifValid(v.object({ driver: text, graphroot: text })),
});

/** @see https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md */
const containerdToml = v.object({ root: text });

/** @param read a file of the system; `undefined` where it is absent */
export function readEngineConfigs(
  read: (file: string) => { text: string | undefined; error?: string },
): EngineConfigs {
  const { text, error } = read(DAEMON_JSON);
  const docker = parseDaemonJson(DAEMON_JSON, text);
  const own = read(STORAGE_CONF).text;
  const usual = own === undefined ? read(USUAL_STORAGE_CONF).text : undefined;
  const podman = parseToml(own ?? usual);
  // Where it is not valid, Docker says itself that its containerd does not start.
  const containerd = parseToml(read(CONTAINERD_TOML).text);
  const { storage } = v.parse(storageConf, podman.said);
  return {
    docker: { ...docker, error: error ?? docker.error },
    podman: {
      file: usual === undefined ? STORAGE_CONF : USUAL_STORAGE_CONF,
      isPresent: (own ?? usual) !== undefined,
      error: podman.error,
      driver: storage?.driver,
      graphRoot: storage?.graphroot,
    },
    containerdRoot: v.parse(containerdToml, containerd.said).root,
  };
}

/** @param text `undefined` where the file is absent */
export function parseDaemonJson(
  file: string,
  text: string | undefined,
): DockerConfig {
  const { said, error } = parseOr<v.InferOutput<typeof daemonJson>>({}, () =>
    text?.trim() ? parseJson(daemonJson, withoutMark(text)) : {},
  );
  return {
    file,
    isPresent: text !== undefined,
    error,
    storageDriver: said["storage-driver"],
    keepsInContainerd: said.features?.["containerd-snapshotter"],
    dataRoot: said["data-root"] ?? said.graph,
    hasUserNamespace: said["userns-remap"] !== undefined,
  };
}

/** @see https://toml.io/en/v1.0.0 */
function parseToml(text = "") {
  return parseOr({}, () => parse(withoutMark(text)));
}

/** What a file says, or what it would say were it absent, and why it is not valid. */
function parseOr<T>(
  absent: T,
  parseFile: () => T,
): { said: T; error: string | undefined } {
  try {
    return { said: parseFile(), error: undefined };
  } catch (failure) {
    return { said: absent, error: describeReason(failure) };
  }
}

/** The first line of what the parser says, without what it shows of the file. */
function describeReason(failure: unknown): string {
  const { cause, message } = failure as Error;
  const reason = cause instanceof Error ? cause.message : message;
  return reason.split("\n", 1)[0] ?? reason;
}

/** Where an engine of the system has its directory, absolute. */
export function directoryOf(
  { docker, podman, containerdRoot }: EngineConfigs,
  home: Home,
): string {
  const told = {
    docker: docker.dataRoot,
    containerd: containerdRoot,
    podman: podman.graphRoot,
  }[home];
  // No file can have a NUL in its name.
  const isPath = told !== undefined && /^\/[^\0]*$/.test(told);
  return (isPath ? told : USUAL_DIRECTORIES[home]).replace(/(?<=.)\/+$/, "");
}
