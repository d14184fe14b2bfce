import { isSystemId, parseGroup } from "../../system/formats/parse-accounts.ts";
import { parseFstab } from "../../system/formats/fstab.ts";
import { makeCrypttab } from "./make-crypttab.ts";
import { makeFstab, type StoreMount, type UnknownMount } from "./make-fstab.ts";
import {
  mergeAccounts,
  withoutPeople,
  type AccountTexts,
  type ChosenAccounts,
} from "./merge-accounts.ts";

/** What a top layer keeps of the running system. */
interface Machine {
  readonly fstab: string | undefined;
  readonly crypttab: string | undefined;
  readonly hostname: string;
  /** `undefined` where it has none that lasts. */
  readonly machineId: string | undefined;
  readonly accounts: AccountTexts | undefined;
}

export interface InitFacts {
  readonly machine: Machine;
  readonly storeMount: StoreMount | UnknownMount;
  /** Where /home and swap files are below the new root, as far as they are on its disk. */
  readonly kept: ReadonlyMap<string, string>;
  /** Whether the machine has files in /home. */
  readonly hasHome: boolean;
  /** Which opened LUKS devices a source of the fstab is on, by their names below /dev/mapper. */
  readonly cryptNames: ReadonlyMap<string, readonly string[]>;
  /** Mount points of the fstab below which the image has files. */
  readonly imageHasFiles: ReadonlySet<string>;
  /** Or why they are not known. */
  readonly imageAccounts: AccountTexts | { readonly unknown: string };
  /** For a machine that has none that lasts. */
  readonly newMachineId: string;
}

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

export interface InitPlan {
  readonly files: readonly PlannedFile[];
  /** Files that fit each other: where one is there already, none of them is made. */
  readonly accounts: readonly PlannedFile[];
  readonly warnings: readonly string[];
}

export function planFiles(facts: InitFacts, chosen: ChosenAccounts): InitPlan {
  const { machine, storeMount, imageAccounts, newMachineId } = facts;
  const fstab = makeFstab(machine.fstab, storeMount, facts.kept, facts.hasHome);
  const crypttab = makeCrypttab(
    machine.crypttab ?? "",
    parseFstab(machine.fstab ?? "").entries,
    facts.cryptNames,
  );
  const { files: accounts, warnings } = planAccounts(facts, chosen);
  const { hostname, machineId } = machine;
  const whose = machineId === undefined ? "a new one" : "this machine's";
  return {
    files: [
      planFile("etc/fstab", fstab.content, fstab.about),
      ...(crypttab === undefined
        ? []
        : [planFile("etc/crypttab", crypttab.content, crypttab.about, 0o600)]),
      planFile("etc/hostname", `${hostname}\n`, hostname),
      planFile("etc/machine-id", machineId ?? newMachineId, whose, 0o444),
    ],
    accounts,
    warnings: [
      ...("unknown" in imageAccounts ? [imageAccounts.unknown] : []),
      ...fstab.warnings,
      ...warnOfHidden(facts),
      ...(crypttab?.warnings ?? []),
      ...warnings,
    ],
  };
}

/** An old system's /var in a new one brings its package database, and so on. */
function warnOfHidden({ imageHasFiles }: InitFacts): string[] {
  if (imageHasFiles.size === 0) return [];
  const where = [...imageHasFiles].join(", ");
  return [
    `the fstab hides files of the image below ${where}: drop the lines that mount directories of another system there`,
  ];
}

function planAccounts(
  { machine: { accounts }, imageAccounts: image }: InitFacts,
  chosen: ChosenAccounts,
): Pick<InitPlan, "files" | "warnings"> {
  if (accounts === undefined) {
    const warning =
      "this machine has no accounts: there is no /etc/passwd, group or shadow";
    return { files: [], warnings: [warning] };
  }
  if (chosen.users.length === 0 && !chosen.root) {
    return { files: [], warnings: [] };
  }
  const hasImage = !("unknown" in image);
  const merged = mergeAccounts(
    hasImage ? image : withoutPeople(accounts),
    accounts,
    chosen,
  );
  const files = planAccountFiles(
    merged,
    hasImage ? "the image's" : "this machine's",
    chosen,
  );
  const imageless =
    "all accounts are this machine's, because no image was found to take the system users from: their numbers may not fit the image's files";
  return {
    // Root's password is in shadow alone: what the image says of its users stays as fresh as it is.
    files:
      chosen.users.length === 0
        ? files.filter(({ path }) => path === "etc/shadow")
        : files,
    warnings: hasImage ? merged.warnings : [imageless, ...merged.warnings],
  };
}

function planAccountFiles(
  { passwd, group, shadow, gshadow }: AccountTexts,
  whose: string,
  { users, root }: ChosenAccounts,
): PlannedFile[] {
  const shadowGroup = parseGroup(group).entries.find(
    // With a person's number, the image would open the passwords to that one here.
    ({ name, gid }) => name === "shadow" && isSystemId(gid),
  );
  const gid = shadowGroup?.gid ?? 0;
  const secret = gid === 0 ? 0o600 : 0o640;
  const about = `${whose}, with ${users.join(", ")}`;
  const passwords = [...(root ? ["root"] : []), ...users].join(", ");
  const ofShadow = `${whose}, with the passwords of ${passwords}`;
  return [
    planFile("etc/passwd", passwd, about),
    planFile("etc/group", group, about),
    planFile("etc/shadow", shadow, ofShadow, secret, gid),
    ...(gshadow === undefined
      ? []
      : [planFile("etc/gshadow", gshadow, about, secret, gid)]),
  ];
}

function planFile(
  path: string,
  content: string,
  about: string,
  mode = 0o644,
  gid = 0,
): PlannedFile {
  return { path, content, mode, gid, about };
}
