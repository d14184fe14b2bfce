import type { HookFile } from "./generator.ts";

const DIRECTORY = "/usr/lib/systemd/system";

/** The units of an initramfs with systemd, the same for all generators. In the running system they do nothing. */
export const systemdUnits: readonly HookFile[] = [
  "dockroot.service",
  "dockroot-go.service",
  "dockroot-finish.service",
  "dockroot-rooted.target",
  "sysroot.mount.d/dockroot.conf",
  "initrd-cleanup.service.d/dockroot.conf",
].map((name) => ({
  path: `${DIRECTORY}/${name}`,
  asset: `systemd/${name}`,
  mode: 0o644,
}));
