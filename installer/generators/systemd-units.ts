import type { HookFile } from "./generator.ts";

/** What an initramfs with systemd starts, whichever generator made it. */
export const systemdUnits: readonly HookFile[] = [
  "dockroot.service",
  "dockroot-finish.service",
  "sysroot.mount.d/dockroot.conf",
].map((name) => ({
  path: `/usr/lib/systemd/system/${name}`,
  asset: `systemd/${name}`,
  mode: 0o644,
}));
