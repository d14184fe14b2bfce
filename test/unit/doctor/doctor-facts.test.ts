import t from "tap";
import { gatherLogins } from "../../../installer/doctor/gather-logins.ts";
import { readEngineConfigs } from "../../../installer/engines/engine-configs.ts";
import { gatherStoreMount } from "../../../installer/doctor/gather-store-mount.ts";
import { hooksProblem } from "../../../installer/doctor/gather-generators.ts";
import { treeHost } from "../../../installer/system/tree-host.ts";
import { splitGrubScripts } from "../../../installer/doctor/rules/split-grub-scripts.ts";
import type {
  CheckFacts,
  TextFile,
} from "../../../installer/toplayer/rules/check-facts.ts";
import { generators } from "../../../installer/generators/choose-generator.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const PASSWD =
  "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nsshd:x:74:74::/:/usr/sbin/nologin\n";

function textsOf(
  texts: Partial<Record<TextFile, string>>,
): Pick<CheckFacts, "texts"> {
  const textOf = (file: TextFile) => ({
    ...{ entry: undefined, unchecked: undefined },
    text: texts[file],
  });
  return {
    texts: {
      ...{ passwd: textOf("passwd"), group: textOf("group") },
      ...{ shadow: textOf("shadow"), gshadow: textOf("gshadow") },
      ...{ fstab: textOf("fstab"), "machine-id": textOf("machine-id") },
      crypttab: textOf("crypttab"),
    },
  };
}

t.test("who can log in, by what the files say", (t) => {
  const locked = "root:!:1::::::\nalice:*:1::::::\nsshd:$6$x$y:1::::::\n";
  const by = (
    shadow: string,
    files: Readonly<Record<string, string>> = {},
    fstab = "",
  ) =>
    gatherLogins({
      ...textsOf({ passwd: PASSWD, shadow, fstab }),
      readText: (file) => files[file],
      namesIn: (directory) =>
        Object.keys(files)
          .filter((file) => file.startsWith(`${directory}/`))
          .map((file) => file.slice(directory.length + 1)),
    });
  t.strictSame(by(locked), {
    ...{ unchecked: undefined, byPassword: [], byKey: [] },
    ...{ automatic: undefined, homesAreMounted: false },
  });
  t.match(by("root:$6$x$y:1::::::\nalice::1::::::\n"), {
    byPassword: ["root", "alice"],
  });
  t.match(
    by(locked, {
      "/home/alice/.ssh/authorized_keys": "# none\nssh-ed25519 AAAA\n",
      "/root/.ssh/authorized_keys": "# none\n",
    }),
    { byKey: ["alice"] },
  );
  for (const [file, text, isAutomatic] of [
    [
      "/etc/systemd/system/getty@tty1.service.d/auto.conf",
      "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin alice - $TERM\n",
      true,
    ],
    ["/etc/gdm3/daemon.conf", "[daemon]\n#  AutomaticLogin = user1\n", false],
    ["/etc/gdm3/daemon.conf", "[daemon]\nAutomaticLogin = alice\n", true],
    ["/etc/sddm.conf.d/a.conf", "[Autologin]\nUser=alice\n", true],
    ["/etc/sddm.conf", "[Autologin]\nUser=\nSession=\n", false],
    ["/etc/lightdm/lightdm.conf", "#autologin-user=\n", false],
    ["/etc/lightdm/lightdm.conf", "autologin-user=alice\n", true],
    ["/etc/motd", "autologin-user=alice\n", false],
  ] as const) {
    t.equal(
      by(locked, { [file]: text }).automatic,
      isAutomatic ? file : undefined,
      `${file}: ${text}`,
    );
  }
  t.ok(by(locked, {}, "LABEL=home /home ext4\n").homesAreMounted);
  t.match(
    gatherLogins({ ...textsOf({}), readText: () => "", namesIn: () => [] }),
    {
      unchecked: "there is no /etc/passwd",
    },
  );
  t.end();
});

t.test("what mounts the image store", (t) => {
  const find = (
    fstab: string,
    pathState: readonly string[] = [],
    dataRoot?: string,
  ) =>
    gatherStoreMount(
      {
        ...textsOf({ fstab }),
        stands: (file) => pathState.includes(file),
        isRootFilesystem: (source) => source === "LABEL=x",
      },
      readEngineConfigs((file) => ({
        text:
          file === "/etc/docker/daemon.json"
            ? JSON.stringify({ "data-root": dataRoot })
            : undefined,
      })),
      "docker",
    );
  t.match(find("LABEL=x /var/lib/docker btrfs subvol=/docker/,noatime 0 0"), {
    ...{ hasEngine: false, mountPoint: "/var/lib/docker" },
    by: { kind: "fstab", line: 1, subvolume: "docker", problem: undefined },
  });
  t.match(find("LABEL=x /var/lib/docker btrfs subvol=my\\040docker 0 0"), {
    by: { subvolume: "my docker", problem: undefined },
  });
  t.match(find("LABEL=x /var btrfs subvol=/ 0 0\nLABEL=x / btrfs x 0 0"), {
    by: { line: 1, subvolume: "lib/docker", problem: undefined },
  });
  t.match(find("/mnt/docker /var/lib/docker none bind 0 0"), {
    by: { subvolume: undefined, problem: undefined },
  });
  for (const [line, problem] of [
    ["LABEL=x /var/lib/docker ext4 defaults", "of the type ext4, not btrfs"],
    ["LABEL=y /var/lib/docker btrfs subvol=docker", "another filesystem"],
    ["LABEL=x /var/lib/docker btrfs defaults", "without subvol="],
  ] as const) {
    t.match(find(line), { by: { problem } });
  }
  t.match(find("LABEL=x /var/lib/docker btrfs noauto 0 0"), { by: undefined });
  t.match(find("LABEL=x /srv/d btrfs defaults 0 0", [], "/srv/d/"), {
    by: { kind: "fstab", subvolume: undefined },
  });
  const unit = "/etc/systemd/system/srv-my\\x2dd.mount";
  t.match(find("", [unit, "/usr/bin/dockerd"], "/srv/my-d"), {
    ...{ hasEngine: true, by: { kind: "unit", file: unit } },
  });
  t.end();
});

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
