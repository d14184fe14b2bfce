import { buildPerKernel, type Generator } from "./generator.ts";
import { findSetting, FOR_ONE_MACHINE, listDropIns } from "./host-only.ts";
import { hasFile } from "../system/has-file.ts";

const FUNCTIONS = "scripts/dockroot-functions";

const SCRIPTS = ["init-top", "local-premount", "local-bottom"].map(
  (when) => `scripts/${when}/dockroot`,
);

const CONFIG = "/etc/initramfs-tools/initramfs.conf";
const DROP_INS = [
  "/etc/initramfs-tools/conf.d",
  "/usr/share/initramfs-tools/conf.d",
];
const LOADER_HOOKS = "/etc/initramfs/post-update.d";

/** mkinitramfs has no option for it. */
const FOR_MACHINE = {
  path: "/etc/initramfs-tools/conf.d/zz-dockroot",
  text: "MODULES=dep\n",
};

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
  describeHostOnly: (host) => {
    const dropIns = listDropIns(host, DROP_INS, (name) =>
      /^[a-z\d](?!.*\.dpkg-)[\w.-]*$/i.test(name),
    );
    // Those below /etc are read after the others.
    const rank = (file: string) => Number(file.startsWith("/etc/"));
    const ordered = dropIns.toSorted((a, b) => rank(a) - rank(b));
    const found = findSetting(host, [CONFIG, ...ordered], "MODULES");
    return Promise.resolve(
      found?.value === "dep"
        ? [
            `${found.file} has MODULES=dep: the initramfs ${FOR_ONE_MACHINE} write MODULES=most there.`,
          ]
        : [],
    );
  },
  builds: (host, drivers) => {
    const hasLoaderHooks = hasFile(host, LOADER_HOOKS);
    return buildPerKernel(
      host,
      (kernelVersion) => `/boot/initrd.img-${kernelVersion}`,
      ({ path, builtAt, kernelVersion }) => ({
        argv: ["mkinitramfs", "-o", builtAt, kernelVersion],
        ...(drivers === "machine" && { dropIn: FOR_MACHINE }),
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
