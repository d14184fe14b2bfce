import t from "tap";
import { splitGrubScripts } from "../../../installer/doctor/gather-doctor-facts.ts";
import { hooksProblem } from "../../../installer/doctor/gather-tree.ts";
import { treeHost } from "../../../installer/system/tree-host.ts";
import { generators } from "../../../installer/generators/choose-generator.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

t.test("mkinitcpio's HOOKS in an image, where nothing may run", async (t) => {
  const real = createHost("/", createLog([]));
  const problemWith = (texts: Readonly<Record<string, string>>) => {
    const tree = t.testdir({
      etc: {
        "mkinitcpio.conf": texts["mkinitcpio.conf"] ?? "",
        "mkinitcpio.conf.d": {
          ...(texts["own.conf"] !== undefined && {
            "own.conf": texts["own.conf"],
          }),
        },
        // It would say so.
        "mkinitcpio.d": { "linux.preset": "echo >&2 ran; exit 1\n" },
      },
    });
    return hooksProblem(treeHost(real, tree), generators.mkinitcpio);
  };
  const hooks = (names: string) => ({
    "mkinitcpio.conf": `HOOKS=(${names})\n`,
  });
  t.equal(
    await problemWith(hooks("base udev block dockroot filesystems")),
    undefined,
  );
  t.equal(
    await problemWith(hooks("base udev block filesystems docker-btrfs")),
    undefined,
  );
  t.match(await problemWith(hooks("base udev block filesystems")), /dockroot/);
  t.equal(
    await problemWith({
      ...hooks("base"),
      "own.conf": "HOOKS=(base systemd block dockroot filesystems)\n",
    }),
    undefined,
  );
  t.match(await problemWith({ "mkinitcpio.conf": "HOOKS=$(x)\n" }), /./);
});

t.test("entries of 40_custom count once they are in grub.cfg", (t) => {
  const entry = (file: string, title: string) => ({
    ...({ loader: "grub", file, title, kernel: "/k", initrds: [] } as const),
    options: "docker_path=docker",
  });
  const { entries, notInGrub } = splitGrubScripts([
    entry("/boot/grub/grub.cfg", "old"),
    entry("/etc/grub.d/40_custom", "old"),
    entry("/etc/grub.d/40_custom", "new"),
  ]);
  t.strictSame(
    [entries, notInGrub].map((list) => list.map(({ title }) => title)),
    [["old"], ["new"]],
  );
  t.end();
});
