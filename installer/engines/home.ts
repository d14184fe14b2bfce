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
