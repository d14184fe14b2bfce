import { isRecord } from "../../runtime/base/json-values.ts";

/** What a daemon.json says of where images are. */
export interface DockerConfig {
  /** Where the file stands. */
  readonly file: string;
  /** Why it is not valid. */
  readonly error: string | undefined;
  readonly storageDriver: string | undefined;
  /** Whether images are kept by containerd; `undefined` where the engine decides. */
  readonly keepsInContainerd: boolean | undefined;
  readonly dataRoot: string | undefined;
  /** Whether files belong to other users on the disk than in an image. */
  readonly hasUserNamespace: boolean;
}

/**
 * @param text `undefined` where there is none
 * @see https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
 */
export function parseDaemonJson(
  file: string,
  text: string | undefined,
): DockerConfig {
  const nothing: DockerConfig = {
    ...{ file, error: undefined, storageDriver: undefined },
    ...{ keepsInContainerd: undefined, dataRoot: undefined },
    hasUserNamespace: false,
  };
  if (text === undefined || text.trim() === "") return nothing;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { ...nothing, error: error instanceof Error ? error.message : "" };
  }
  if (!isRecord(value)) return { ...nothing, error: "it is no JSON object" };
  const { features } = value;
  const feature = isRecord(features)
    ? features["containerd-snapshotter"]
    : undefined;
  return {
    ...nothing,
    storageDriver: asText(value["storage-driver"]),
    keepsInContainerd: typeof feature === "boolean" ? feature : undefined,
    dataRoot: asText(value["data-root"] ?? value["graph"]),
    hasUserNamespace: asText(value["userns-remap"]) !== undefined,
  };
}

function asText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
