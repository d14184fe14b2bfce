import { isSystemId, parseGroup } from "../../system/formats/parse-accounts.ts";
import { programOf, USUAL_DIRECTORIES } from "../../engines/engine-configs.ts";
import { makeFstab, type StoreMount, type UnknownMount } from "./make-fstab.ts";
import type { Machine } from "../gather-machine.ts";
import {
  mergeAccounts,
  withoutPeople,
  type AccountTexts,
  type ChosenAccounts,
} from "./merge-accounts.ts";

/** A file of the new top layer. */
export interface PlannedFile {
  /** Below the top layer's directory. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
  readonly gid: number;
  /** What is in it, in words. */
  readonly about: string;
}

interface InitFacts {
  readonly machine: Machine;
  readonly storeMount: StoreMount | UnknownMount;
  /** `undefined` where no image can be found, or it has none. */
  readonly imageAccounts: AccountTexts | undefined;
  /** For a machine that has none that lasts. */
  readonly newMachineId: string;
}

export interface InitPlan {
  readonly files: readonly PlannedFile[];
  /** Files that fit each other: where one is there already, none of them is made. */
  readonly accounts: readonly PlannedFile[];
  readonly warnings: readonly string[];
}

export function planFiles(facts: InitFacts, chosen: ChosenAccounts): InitPlan {
  const warnings: string[] = [];
  const { machine, newMachineId } = facts;
  return {
    files: [
      planFstab(facts, warnings),
      readable("etc/hostname", `${machine.hostname}\n`, machine.hostname),
      {
        ...readable(
          "etc/machine-id",
          machine.machineId ?? newMachineId,
          machine.machineId === undefined ? "a new one" : "this machine's",
        ),
        mode: 0o444,
      },
    ],
    accounts: planAccounts(facts, chosen, warnings),
    warnings,
  };
}

function planFstab(
  { machine, storeMount }: InitFacts,
  warnings: string[],
): PlannedFile {
  const store = "unknown" in storeMount ? undefined : storeMount;
  const { home } = storeMount;
  const mountPoint = USUAL_DIRECTORIES[home];
  const { content, has } = makeFstab(machine.fstab, home, store);
  if (has === "none" && "unknown" in storeMount) {
    warnings.push(
      `the fstab has no line for ${mountPoint}, for ${programOf(home)} pull to fetch the next system: ${storeMount.unknown}`,
    );
  }
  const withStore = {
    own: `with its own line for ${mountPoint}`,
    added: `with ${store?.source ?? ""} subvol=${store?.subvolume ?? ""} at ${mountPoint}`,
    none: `without ${mountPoint}`,
  }[has];
  return readable(
    "etc/fstab",
    content,
    `this machine's without /, ${withStore}`,
  );
}

function planAccounts(
  { machine, imageAccounts: image }: InitFacts,
  chosen: ChosenAccounts,
  warnings: string[],
): PlannedFile[] {
  if (machine.accounts === undefined) {
    warnings.push(
      "this machine has no accounts: there is no /etc/passwd, group or shadow",
    );
    return [];
  }
  if (chosen.users.length === 0 && !chosen.root) return [];
  if (image === undefined) {
    warnings.push(
      "the accounts are all of this machine, for no image is there to take its system users from: their numbers may not fit the image's files",
    );
  }
  const { warnings: odd, ...merged } = mergeAccounts(
    image ?? withoutPeople(machine.accounts),
    machine.accounts,
    chosen,
  );
  warnings.push(...odd);
  const files = filesOf(
    merged,
    image === undefined ? "this machine's" : "the image's",
    chosen,
  );
  // Root's password is in shadow alone: what the image says of its users stays as fresh as it is.
  return chosen.users.length === 0
    ? files.filter(({ path }) => path === "etc/shadow")
    : files;
}

function filesOf(
  { passwd, group, shadow, gshadow }: AccountTexts,
  whose: string,
  { users, root }: ChosenAccounts,
): PlannedFile[] {
  const shadowGroup = parseGroup(group).entries.find(
    // With a person's number, the image would open the passwords to that one here.
    ({ name, gid }) => name === "shadow" && isSystemId(gid),
  );
  const gid = shadowGroup?.gid ?? 0;
  const about = `${whose}, with ${users.join(", ")}`;
  const passwords = [...(root ? ["root"] : []), ...users].join(", ");
  const secret = (
    file: string,
    content: string,
    about: string,
  ): PlannedFile => ({
    ...readable(file, content, about),
    ...{ mode: gid === 0 ? 0o600 : 0o640, gid },
  });
  return [
    readable("etc/passwd", passwd, about),
    readable("etc/group", group, about),
    secret(
      "etc/shadow",
      shadow,
      `${whose}, with the passwords of ${passwords}`,
    ),
    ...(gshadow === undefined ? [] : [secret("etc/gshadow", gshadow, about)]),
  ];
}

function readable(path: string, content: string, about: string): PlannedFile {
  return { path, content, mode: 0o644, gid: 0, about };
}
