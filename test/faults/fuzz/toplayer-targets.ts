import {
  parseGroup,
  parseGshadow,
  parsePasswd,
  parseShadow,
} from "../../../installer/system/formats/parse-accounts.ts";
import { parseFstab } from "../../../installer/system/formats/fstab.ts";
import { makeFstab } from "../../../installer/toplayer/plan/make-fstab.ts";
import {
  mergeAccounts,
  ownUsers,
  withoutPeople,
} from "../../../installer/toplayer/plan/merge-accounts.ts";
import { check } from "./check.ts";
import type { Samples, Target } from "./target.ts";

const PASSWD: Samples = [
  "root:x:0:0:root:/root:/bin/bash\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n",
  "root:x:0:0::/:/bin/sh\nalice:x:1000:27::/:/bin/sh\n+::::::\n",
];
const OTHERS = {
  group: "root:x:0:\nsudo:x:27:alice\nalice:x:1000:\n",
  shadow: "root:$6$secret:1::::::\nalice:$6$alice:1::::::\n",
  gshadow: "root:*::\nsudo:*::alice\n",
};
const STORE = {
  home: "docker" as const,
  source: "UUID=a",
  ...{ fsType: "btrfs", options: "subvol=docker" },
};

/** The parsers of what people put into a top layer. */
export const toplayerTargets: readonly Target[] = [
  {
    name: "passwd",
    samples: PASSWD,
    parse: (text) => {
      for (const parse of [
        parsePasswd,
        parseGroup,
        parseShadow,
        parseGshadow,
      ]) {
        const names = parse(text).entries.map(({ name }) => name);
        check(new Set(names).size === names.length, "one name twice");
        check(
          !names.some((name) => /[:\s/]/.test(name)),
          "a name of two parts",
        );
      }
      const machine = { ...OTHERS, passwd: text };
      const users = ownUsers(machine).map(({ name }) => name);
      const { shadow } = mergeAccounts(withoutPeople(machine), machine, {
        ...{ users, root: false },
      });
      check(!shadow.includes("secret"), "a password that was refused");
    },
  },
  {
    name: "fstab",
    samples: [
      "# / was on /dev/sda1\nUUID=a / ext4 errors=remount-ro 0 1\nLABEL=b /mnt/a\\040b btrfs subvol=@home,subvolid=257 0 2\n",
      "/swapfile none swap sw 0 0\nLABEL=linux /var/lib/docker btrfs subvol=docker 0 0\n",
    ],
    parse: (text) => {
      const at = "/var/lib/docker";
      const { content } = makeFstab(text, STORE);
      const points = parseFstab(content).entries.map(
        ({ mountPoint }) => mountPoint,
      );
      check(!points.includes("/"), "a line for the root");
      check(points.includes(at), "no line for the store");
    },
  },
];
