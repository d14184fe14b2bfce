import { USUAL_DIRECTORIES, type Home } from "./home.ts";
import { parseDaemonJson, type DockerConfig } from "./parse-daemon-json.ts";
import { parseToml, textAt } from "./parse-toml.ts";

/** What the engines of a system are told of where images are. */
export interface EngineConfigs {
  readonly docker: DockerConfig;
  readonly podman: PodmanConfig;
  /** `root` of containerd's configuration. */
  readonly containerdRoot: string | undefined;
}

/** What a storage.conf says. */
export interface PodmanConfig {
  /** The one that counts. */
  readonly file: string;
  /** Why it is not valid. */
  readonly error: string | undefined;
  readonly driver: string | undefined;
  readonly graphRoot: string | undefined;
}

const DAEMON_JSON = "/etc/docker/daemon.json";
const CONTAINERD_TOML = "/etc/containerd/config.toml";
const STORAGE_CONF = "/etc/containers/storage.conf";
/** Read where the other one is absent. */
const USUAL_STORAGE_CONF = "/usr/share/containers/storage.conf";

/**
 * @param read a file of the system; `undefined` where it is absent
 * @see https://github.com/containers/storage/blob/main/docs/containers-storage.conf.5.md
 * @see https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md
 */
export function readEngineConfigs(
  read: (file: string) => { text: string | undefined; error?: string },
): EngineConfigs {
  const { text, error } = read(DAEMON_JSON);
  const docker = parseDaemonJson(DAEMON_JSON, text);
  const own = read(STORAGE_CONF).text;
  const usual = own === undefined ? read(USUAL_STORAGE_CONF).text : undefined;
  const storage = parseToml(own ?? usual ?? "");
  // Without it Docker says itself that its containerd does not start.
  const containerd = parseToml(read(CONTAINERD_TOML).text ?? "");
  return {
    docker: error === undefined ? docker : { ...docker, error },
    podman: {
      file: usual === undefined ? STORAGE_CONF : USUAL_STORAGE_CONF,
      error: storage.error,
      driver: textAt(storage.table, "storage", "driver"),
      graphRoot: textAt(storage.table, "storage", "graphroot"),
    },
    containerdRoot: textAt(containerd.table, "root"),
  };
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
  const directory =
    told !== undefined && /^\/[^\0]*$/.test(told) ? told : undefined;
  return (directory ?? USUAL_DIRECTORIES[home]).replace(/(?<=.)\/+$/, "");
}
