import { buildPerKernel, type Generator } from "./generator.ts";
import { hasFile } from "../system/has-file.ts";

const FUNCTIONS = "scripts/dockroot-functions";

const SCRIPTS = ["init-top", "local-premount", "local-bottom"].map(
  (when) => `scripts/${when}/dockroot`,
);

const LOADER_HOOKS = "/etc/initramfs/post-update.d";

/** initramfs-tools(7), of Debian and Ubuntu. What lies in its directories runs: there is nothing to enable. */
export const initramfsTools: Generator = {
  name: "initramfs-tools",
  isPresent: (host) => hasFile(host, "/usr/sbin/mkinitramfs"),
  isInCharge: (host) => hasFile(host, "/etc/kernel/postinst.d/initramfs-tools"),
  files: [
    ...["hooks/dockroot", ...SCRIPTS].map((name) => ({
      path: `/etc/initramfs-tools/${name}`,
      asset: `initramfs-tools/${name}`,
      mode: 0o755,
    })),
    {
      path: `/etc/initramfs-tools/${FUNCTIONS}`,
      asset: "dockroot-functions",
      mode: 0o755,
    },
  ],
  enable: () => Promise.resolve([]),
  disable: () => Promise.resolve([]),
  builds: (host) => {
    const hasLoaderHooks = hasFile(host, LOADER_HOOKS);
    return buildPerKernel(
      host,
      (kernelVersion) => `/boot/initrd.img-${kernelVersion}`,
      ({ path, builtAt, kernelVersion }) => ({
        argv: ["mkinitramfs", "-o", builtAt, kernelVersion],
        // As update-initramfs(8) does.
        ...(hasLoaderHooks && {
          afterwards: [
            "run-parts",
            `--arg=${kernelVersion}`,
            `--arg=${path}`,
            LOADER_HOOKS,
          ],
        }),
      }),
    );
  },
  listCommand: (image) => ["lsinitramfs", "-l", image],
  hooksInImage: [FUNCTIONS, ...SCRIPTS],
};
