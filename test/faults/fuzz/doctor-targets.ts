import { makeCpio } from "../../../fixtures/boot-files.ts";
import {
  type MenuEntry,
  pathOnVolume,
} from "../../../installer/loaders/formats/boot-loader.ts";
import { parseGrub } from "../../../installer/loaders/formats/grub.ts";
import {
  parseLimine,
  parseOldLimine,
} from "../../../installer/loaders/formats/limine.ts";
import { parseLoaderEntry } from "../../../installer/loaders/formats/systemd-boot.ts";
import {
  parseRefindLinux,
  parseRefind,
} from "../../../installer/loaders/formats/refind.ts";
import {
  directoryOf,
  parseDaemonJson,
  readEngineConfigs,
  HOMES,
} from "../../../installer/engines/formats/engine-configs.ts";
import { parseKernelVersion } from "../../../installer/system/formats/kernel-files.ts";
import { readStartOptions } from "../../../installer/doctor/rules/start.ts";
import { createCpioReader } from "../../../installer/initramfs/read-initramfs.ts";
import { check } from "./check.ts";
import type { Samples, Target } from "./target.ts";

const OPTIONS =
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker";

const MENUS: Samples = [
  `menuentry "docker" {\n volume linux\n loader boot_docker/vmlinuz\n initrd boot_docker/initrd.img\n options "${OPTIONS}"\n submenuentry "one" {\n add_options "single"\n }\n}\ninclude more.conf\n`,
  `"standard" "${OPTIONS} initrd=\\initrd.img"\n`,
  `title docker\nversion 1\nlinux /vmlinuz\ninitrd /initrd.img\noptions ${OPTIONS}\n`,
  `set x="a b"\nsubmenu 'more' {\n menuentry 'docker' --class x {\n linux ($root)/vmlinuz ${OPTIONS} "$x" \${x}\n initrd /initrd.img\n }\n}\n`,
  `/+docker\n//below\n protocol: linux\n path: boot():/vmlinuz\n cmdline: ${OPTIONS}\n module_path: boot():/initrd.img\n`,
  `\${X}=y\n:docker\nPROTOCOL=linux\nKERNEL_PATH=boot:///vmlinuz\nCMDLINE=${OPTIONS} \${X}\nMODULE_PATH=boot:///initrd.img\n`,
];

/** The parsers of what the doctor reads. */
export const doctorTargets: readonly Target[] = [
  {
    name: "boot menus",
    samples: MENUS,
    parse: (text) => {
      const entries: MenuEntry[] = [
        ...[
          ...parseRefind(text).entries,
          ...parseRefindLinux(text, ["vmlinuz-6.1"]),
        ],
        ...[parseLoaderEntry("a.conf", text) ?? []].flat(),
        ...[...parseGrub(text), ...parseLimine(text), ...parseOldLimine(text)],
      ];
      for (const { kernel = "", initrds, options } of entries) {
        for (const file of [kernel, ...initrds]) {
          check(/^\/(?!\/)/.test(pathOnVolume(file)), "a path of no volume");
        }
        readStartOptions(
          { cmdline: options, image: "system:1", entry: undefined },
          undefined,
        );
      }
    },
  },
  {
    name: "daemon.json",
    samples: [
      '{ "storage-driver": "btrfs", "data-root": "/d", "features": { "containerd-snapshotter": true } }',
    ],
    parse: (text) => {
      const { error, storageDriver } = parseDaemonJson("x", text);
      check(
        error === undefined || storageDriver === undefined,
        "a driver of what is not valid",
      );
    },
  },
  {
    name: "storage.conf",
    samples: [
      '[storage]\ndriver = "btrfs" # mine\ngraphroot = \'/p\'\n[storage.options]\nx = ["a"]\n',
    ],
    parse: (text) => {
      const configs = readEngineConfigs(() => ({ text }));
      for (const home of HOMES) {
        const directory = directoryOf(configs, home);
        check(/^\/[^\0]*$/.test(directory), "a directory that is none");
      }
    },
  },
  {
    name: "initramfs",
    samples: [
      makeCpio({
        "usr/bin/dockroot": "x",
        "etc/dockroot.json": "{}",
      }).toString("latin1"),
    ],
    parse: (text, random) => {
      const bytes = Buffer.from(text, "latin1");
      parseKernelVersion(bytes);
      const reader = createCpioReader(
        (file) => file === "etc/dockroot.json",
        ({ content, sizeBytes }) => {
          check(
            content === undefined || content.length === sizeBytes,
            "a content of another length",
          );
        },
      );
      const step = 1 + random.below(200);
      for (let at = 0; at < bytes.length; at += step) {
        try {
          reader.push(bytes.subarray(at, at + step));
        } catch (error) {
          if (isRefusal(error)) return;
          throw error;
        }
      }
    },
  },
];

function isRefusal(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(?:it is not a cpio archive|a header of its cpio archive)/.test(
      error.message,
    )
  );
}
