import type { Generator } from "../../generators/generator.ts";

/** What is asked of a generator here. */
export type AskedGenerator = Pick<
  Generator,
  "name" | "isPresent" | "files" | "enable" | "list" | "hooksInImage"
>;

const SCRIPTS = [
  "hooks/dockroot",
  "scripts/local-premount/dockroot",
  "scripts/local-bottom/dockroot",
];

/** Those that are known. */
export const askedGenerators: readonly AskedGenerator[] = [
  {
    name: "initramfs-tools",
    isPresent: (host) =>
      host.files.statusOfTarget(host.path("/usr/sbin/mkinitramfs")) !==
      undefined,
    files: SCRIPTS.map((name) => ({
      path: `/etc/initramfs-tools/${name}`,
      asset: `initramfs-tools/${name}`,
      mode: 0o755,
    })),
    enable: () => Promise.resolve([]),
    list: async (host, image) => {
      const { stdout } = await host.run(["lsinitramfs", image]);
      return stdout
        .toString("utf8")
        .split("\n")
        .map((line) => ({
          path: line.replace(/^(?:\.?\/)+/, ""),
          sizeBytes: undefined,
        }));
    },
    hooksInImage: SCRIPTS.slice(1),
  },
];
