import path from "node:path";
import { formatStatus } from "../../../installer/status/formats/format-status.ts";
import { parseQgroups } from "../../../installer/status/qgroups.ts";
import {
  disableHook,
  enableHook,
  isOurs,
} from "../../../installer/generators/mkinitcpio/edit-hooks.ts";
import { readHooks } from "../../../installer/generators/mkinitcpio/read-hooks.ts";
import { parseSubvolumeShow } from "../../../runtime/disk/btrfs.ts";
import { lastValues, parseCmdline } from "../../../runtime/options/cmdline.ts";
import { parseConfig } from "../../../runtime/options/config.ts";
import {
  formatDeviceSpec,
  parseDeviceSpec,
} from "../../../runtime/options/parsers.ts";
import {
  chooseDevice,
  describeDevice,
  parseBlkidExport,
  parsePartitions,
} from "../../../runtime/disk/device.ts";
import { escapeControl, formatJson } from "../../../runtime/base/escape.ts";
import { chunks } from "../../../runtime/host/log.ts";
import {
  formatImageReference,
  splitReference,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { parseMountinfo } from "../../../runtime/disk/mounts.ts";
import {
  parseOptions,
  readDiskOptions,
  readImage,
  readSystemOptions,
} from "../../../runtime/options/options.ts";
import {
  parseBootRecord,
  parseFinishedBoot,
} from "../../../runtime/records/boot-record.ts";
import { resolveInRoot } from "../../../runtime/base/resolve-in-root.ts";
import { rwlayerPaths } from "../../../runtime/options/rwlayer-names.ts";
import {
  SubvolumeList,
  parseSubvolumeList,
} from "../../../runtime/disk/subvolumes.ts";
import { configurations } from "../../unit/generators/mkinitcpio-configurations.ts";
import { freshRecord, freshStatus } from "../../unit/status/status-data.ts";
import { findRawControl } from "../raw-controls.ts";
import { makeInput } from "./mutate.ts";
import { check, checkPrintable } from "./check.ts";
import type { Samples, Target } from "./target.ts";

const HEX = "0123456789abcdef".repeat(4);

const CMDLINES: Samples = [
  "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker toplayer=LABEL=linux toplayer_path=boot_docker",
  `BOOT_IMAGE=/vmlinuz root="LABEL=my disk" rootflags=noatime,subvol=/a/b/,compress=zstd:1 docker_path=/var/lib/docker docker_image=me/x docker_tag=1 quiet -- single`,
  "root=UUID=48a2cc02-3fb3-4e37-8562-7212ae362f40 rootflags=subvol=x docker_path=d docker_image=a rootwait=5 init=/sbin/init dockroot.generations=3 rootfstype=btrfs",
];

const CONFIGS: Samples = [
  `{"docker_image": "sample_image", "docker_tag": "latest"}`,
  `{"docker_image": "a", "docker_path": "docker", "toplayer": "LABEL=x", "toplayer_path": "/boot_docker", "dockroot.generations": 3, "dockroot.rwlayer": "fresh"}`,
];

const REFERENCES: Samples = [
  ...(["alpine:3.20", "me/system", "beef"] as [string, ...string[]]),
  ...["registry.example:5000/x/y:v2", `me/system@sha256:${HEX}`, HEX],
  ...[`sha256:${HEX}`, "[::1]:5000/x", "docker.io/library/alpine"],
];

const HOOKS = configurations.map(({ files }) => files.join("")) as [
  string,
  ...string[],
];

/** The parsers of what is text in hand. */
export function textTargets(): [Target, ...Target[]] {
  return [
    {
      name: "kernel command line",
      samples: CMDLINES,
      parse: (text) => {
        const quoted = text.includes('"');
        for (const key of lastValues(parseCmdline(text)).keys()) {
          check(quoted || !/[ \t\n]/.test(key), "a key with a space in it");
        }
      },
    },
    {
      name: "options from a command line",
      samples: CMDLINES,
      parse: (text, random) => {
        const file = "/etc/dockroot.json";
        checkOptions(text, { file, text: random.pick(CONFIGS) });
      },
    },
    {
      name: "options from a configuration",
      samples: CONFIGS,
      parse: (text, random) => {
        checkOptions(random.pick(CMDLINES), { file: "/etc/x.json", text });
      },
    },
    {
      name: "configuration",
      samples: CONFIGS,
      parse: (text) => {
        const config = parseConfig({ file: "/etc/x.json", text }, []);
        for (const value of config.values()) {
          check(!value.includes("\0"), "a NUL in a value");
        }
      },
    },
    {
      name: "device",
      samples: ["LABEL=linux", 'LABEL="my disk"', "/dev/sda1", "UUID=1-2"],
      parse: (text) => {
        formatDeviceSpec(parseDeviceSpec("root", text));
      },
    },
    {
      name: "image reference",
      samples: REFERENCES,
      parse: (text, random) => {
        splitReference(text);
        const reference = parseImageReference(text, random.pick(["x", text]));
        const formatted = formatImageReference(reference);
        // Docker, too, prints docker.io/docker.io/x as docker.io/x, which is x.
        check(
          formatted.startsWith("docker.io/") ||
            formatImageReference(parseImageReference(formatted)) === formatted,
          `${formatted} is read otherwise`,
        );
      },
    },
    {
      name: "image and tag",
      samples: REFERENCES,
      parse: (text, random) => {
        const image = () => random.pick([text, random.pick(REFERENCES)]);
        const tag = () => random.pick([text, "v1"]);
        const cmdline = random.pick([
          "",
          `docker_image="${image()}"`,
          `docker_image="${image()}" docker_tag="${tag()}"`,
          `docker_tag="${tag()}"`,
        ]);
        const config = random.pick<object>([
          {},
          { docker_image: image() },
          { docker_image: image(), docker_tag: tag() },
          { docker_tag: tag() },
        ]);
        const source = { file: "/etc/x.json", text: JSON.stringify(config) };
        readImage(parseOptions(cmdline, source), []);
      },
    },
    {
      name: "blkid's list",
      // blkid -c /dev/null -o export, util-linux 2.38
      samples: [
        `DEVNAME=/dev/loop0\nLABEL=my\\ disk\\ \\"x\\"\nUUID=48a2cc02-3fb3-4e37-8562-7212ae362f40\nUUID_SUB=e5687123-df69-4356-97ea-698a9732bb2c\nBLOCK_SIZE=4096\nTYPE=btrfs\n\nDEVNAME=/dev/sda1\nPARTUUID=1234-01\n`,
      ],
      parse: (text) => {
        const devices = parseBlkidExport(text);
        devices.forEach(describeDevice);
        chooseDevice({ kind: "tag", tag: "LABEL", value: "x" }, devices);
      },
    },
    {
      name: "mountinfo",
      samples: [
        "43 27 0:39 / /run/my\\040disk rw - btrfs /dev/loop0 rw\n44 27 0:40 / / rw - x y rw\n",
        "22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:5 - proc proc rw\n28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n91 28 0:44 /docker /var/lib/docker rw,relatime shared:47 - btrfs /dev/vdb rw,ssd,space_cache=v2,subvolid=256,subvol=/docker\n",
      ],
      parse: (text) => {
        parseMountinfo(text);
      },
    },
    {
      name: "partitions",
      samples: [
        "major minor  #blocks  name\n\n 254        0  268435456 vda\n   7        0          0 loop0\n",
      ],
      parse: (text) => {
        for (const name of parsePartitions(text)) {
          check(!/\s/.test(name), "a device with a space in its name");
        }
      },
    },
    {
      name: "list of subvolumes",
      // btrfs subvolume list -u -q m, btrfs-progs 6.2
      samples: [
        "ID 256 gen 7 cgen 7 top level 5 parent_uuid -                                    uuid 7e9c696a-e6ef-be4d-916b-86d63c3af960 path a\nID 257 gen 7 cgen 7 top level 256 parent_uuid 7e9c696a-e6ef-be4d-916b-86d63c3af960 uuid 7e9c696a-e6ef-be4d-916b-86d63c3af961 path a b\nID 258 gen 7 cgen 7 top level 257 parent_uuid -                                    uuid 7e9c696a-e6ef-be4d-916b-86d63c3af962 path a b/c\n",
      ],
      parse: (text) => {
        const list = new SubvolumeList(parseSubvolumeList(text));
        const found = list.at("a b/c");
        check(found === undefined || list.mayHave(found.uuid), "no such UUID");
        const nested = list.mayBeNestedIn(256);
        check(!nested.includes(256), "a subvolume nested in itself");
        check(new Set(nested).size === nested.length, "one listed twice");
      },
    },
    {
      name: "a subvolume's facts",
      // btrfs subvolume show staging, btrfs-progs 6.2
      samples: [
        "staging\n\tName: \t\t\tstaging\n\tUUID: \t\t\t1d1ea182-4d91-a14f-9a1f-4b8865410602\n\tParent UUID: \t\tcc097502-f5e5-5b44-9581-fff88add77a2\n\tReceived UUID: \t\t-\n\tCreation time: \t\t2026-11-24 21:22:39 +0000\n\tSubvolume ID: \t\t258\n\tGeneration: \t\t8\n\tGen at creation: \t8\n\tParent ID: \t\t5\n",
      ],
      parse: (text) => {
        const { uuid, parentUuid } = parseSubvolumeShow(text) ?? {};
        for (const read of [uuid, parentUuid]) {
          check(read === undefined || /^[0-9a-f-]{36}$/.test(read), "no UUID");
        }
      },
    },
    {
      name: "quota groups",
      // btrfs qgroup show --raw m, btrfs-progs 6.2
      samples: [
        "Qgroupid    Referenced    Exclusive   Path \n--------    ----------    ---------   ---- \n0/5              16384        16384   <toplevel>\n0/256            16384        16384   store\n",
      ],
      parse: (text) => {
        for (const [id, { exclusiveBytes }] of parseQgroups(text)) {
          check(Number.isSafeInteger(id + exclusiveBytes), "no number");
        }
      },
    },
    {
      name: "boot.json for the status",
      samples: [JSON.stringify(freshRecord)],
      parse: (text) => {
        const { booted } = parseBootRecord(text);
        const shown = formatStatus(
          { ...freshStatus, ...booted },
          { columns: 80, style: (_, plain) => plain },
        );
        const raw = findRawControl(shown);
        check(raw === undefined, raw ?? "");
      },
    },
    {
      name: "boot.json for finish",
      samples: [JSON.stringify(freshRecord)],
      parse: (text) => {
        const boot = parseFinishedBoot(text);
        if (boot === undefined) return;
        const { generations, helperTimeoutMs } = boot.limits;
        check(generations >= 0 && generations <= 1000, "too many generations");
        check(helperTimeoutMs > 0, "no time for helpers");
        if (boot.result !== "generation") checkRwlayer(boot.rwlayer);
      },
    },
    {
      name: "path in a tree",
      samples: ["a/b/../c", "/var/lib/docker", "../../etc", "x/./y//z/"],
      parse: (text, random) => {
        const resolved = resolveInRoot("/new", text, () =>
          random.oneIn(3)
            ? { kind: "symlink", target: makeInput(random, ["/a", "../.."]) }
            : { kind: "directory" },
        );
        check(
          resolved === undefined ||
            path.resolve(resolved) === "/new" ||
            path.resolve(resolved).startsWith("/new/"),
          `leaves the tree: ${String(resolved)}`,
        );
      },
    },
    {
      name: "HOOKS of mkinitcpio",
      samples: HOOKS,
      parse: (text) => {
        const path = "/etc/mkinitcpio.conf";
        const [edit] = enableHook([[{ path, text }]]);
        const wasThere = readHooks(text).hooks.some(({ name }) => isOurs(name));
        const enabled = edit?.content ?? text;
        const { hooks } = readHooks(enabled);
        check(
          hooks.some(({ name }) => isOurs(name)),
          "not in HOOKS",
        );
        const [undone] = disableHook([[{ path, text: enabled }]], false);
        check(
          wasThere || undone?.content === text,
          "taking it out gives another text",
        );
      },
    },
    {
      name: "text for the console",
      samples: ["plain", "\u001b]0;title\u0007\u001b[2J", "\u202eabc"],
      parse: (text) => {
        const escaped = escapeControl(text);
        check(!escaped.includes("\n"), "a second line");
        checkPrintable(escaped);
        const json = formatJson({ [text]: text });
        checkPrintable(json);
        const copy = JSON.parse(json) as Record<string, unknown>;
        check(Object.keys(copy)[0] === text, "JSON of another text");
        const pieces = chunks(text);
        check(pieces.join("") === text, "a line that is not cut but changed");
        for (const piece of pieces) {
          check(Buffer.byteLength(piece) <= 900, "too long for the kernel");
        }
      },
    },
  ];
}

function checkOptions(
  cmdline: string,
  config: { readonly file: string; readonly text: string },
): void {
  const parsed = parseOptions(cmdline, config);
  const options = { ...readDiskOptions(parsed), ...readSystemOptions(parsed) };
  checkPath(options.storePath);
  for (const file of options.topLayer?.paths ?? []) checkPath(file);
  check(options.storePath !== "", "an empty path");
  check(
    !options.mountFlags.some((flag) =>
      /[,\0]|^(?:rw$|ro$|subvol=|subvolid=)/.test(flag),
    ),
    "a mount flag that dockroot decides on",
  );
  checkRwlayer(options.rwlayer);
}

function checkRwlayer(rwlayer: string): void {
  checkPath(rwlayer);
  check(rwlayer !== "", "an empty path");
  const { directory } = rwlayerPaths(rwlayer);
  check(path.dirname(directory) === ".dockroot", `not its own: ${directory}`);
}

function checkPath(file: string): void {
  check(!file.split("/").includes(".."), `.. in ${file}`);
  check(!file.startsWith("/") && !file.endsWith("/"), `slashes: ${file}`);
  check(!file.includes("\0"), "a NUL in a path");
}
