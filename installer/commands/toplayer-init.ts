import { randomBytes } from "node:crypto";
import path from "node:path";
import { summarizeFailure } from "../../runtime/base/failure.ts";
import { BootError, UsageError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { readMounts } from "../../runtime/disk/mounts.ts";
import { isSameOrBelow } from "../../runtime/base/is-below.ts";
import type { Confirm, Questions, CliContext } from "../cli/cli-context.ts";
import { holdSignals } from "../system/hold-signals.ts";
import { readAccounts } from "../system/read-accounts.ts";
import { readBootTarget } from "../system/boot-target.ts";
import { readStoreChoice } from "../cli/parse.ts";
import type { FlagsOf } from "../cli/table.ts";
import { findImageInSystem } from "../system/image.ts";
import { chooseAccounts } from "../toplayer/ask.ts";
import {
  findStoreMount,
  nameSource,
  type StoreChoice,
} from "../system/find-store.ts";
import {
  formatInit,
  formatKernelOptions,
} from "../toplayer/plan/format-init.ts";
import { gatherMachine } from "../toplayer/gather-machine.ts";
import type { AccountTexts } from "../toplayer/plan/merge-accounts.ts";
import { planFiles } from "../toplayer/plan/plan-files.ts";
import { writeFiles } from "../toplayer/write-files.ts";
import { locate } from "../system/formats/fstab.ts";
import { formatMachineId } from "../system/formats/machine-id.ts";

/**
 * `dockroot toplayer init`: a starting top layer for this machine. What is there already is left.
 * @returns the exit status
 * @throws BootError, UsageError
 */
export async function runToplayerInit(
  { yes, image, ...flags }: FlagsOf<"toplayer init">,
  { host, terminal, stdout, questions }: CliContext,
  [given = ""]: readonly string[],
): Promise<number> {
  const choice = readStoreChoice(flags);
  const ask = yes ? answerYes : questions;
  if (ask === undefined) {
    throw new UsageError(
      "toplayer init asks which accounts to take over, and there is no terminal to ask on: give --yes to take over all",
    );
  }
  const warnings: string[] = [];
  const machine = gatherMachine(host);
  const imageAccounts = readImageAccounts(host, choice, image, warnings);
  const storeMount = await findStoreMount(host, choice);
  const choose = (confirm: Confirm) =>
    chooseAccounts(machine.accounts, confirm);
  const chosen = await ask(choose);
  const newMachineId = formatMachineId(randomBytes(16));
  const plan = planFiles(
    { machine, storeMount, imageAccounts, newMachineId },
    chosen,
  );
  const directory = path.resolve(given);
  const files = await holdSignals(() =>
    Promise.resolve(writeFiles(host, directory, plan)),
  );
  warnings.push(...plan.warnings);
  const kernelOptions = await describeKernelOptions(host, directory, warnings);
  const checkArguments = [
    directory,
    ...(image === undefined ? [] : ["--image", image]),
    ...(["store-path", "store"] as const).flatMap((name) => {
      const value = flags[name];
      return value === undefined ? [] : [`--${name}`, value];
    }),
  ];
  const report = { checkArguments, files, warnings, kernelOptions };
  stdout(formatInit(report, terminal));
  return 0;
}

const answerYes: Questions = (work) => work(() => Promise.resolve(true));

/** @param warnings gets why there are none */
function readImageAccounts(
  host: Host,
  choice: StoreChoice,
  image: string | undefined,
  warnings: string[],
): AccountTexts | undefined {
  try {
    const { reference, root } = findImageInSystem(host, choice, image);
    const accounts = readAccounts(host, root);
    if (accounts === undefined) {
      warnings.push(`the image ${reference} has no passwd, group or shadow`);
    }
    return accounts;
  } catch (error) {
    // An image that is named must be there.
    if (!(error instanceof BootError) || image !== undefined) throw error;
    warnings.push(summarizeFailure(error));
    return undefined;
  }
}

/**
 * How a boot menu entry names the directory.
 * @param warnings gets why it must not
 * @throws HelperError
 */
async function describeKernelOptions(
  host: Host,
  directory: string,
  warnings: string[],
): Promise<string | undefined> {
  const location = locate(readMounts(host), host.files.realPath(directory));
  if (location?.mount.source.startsWith("/dev/") !== true) return undefined;
  const { rwlayer } = readBootTarget(host);
  const { mount, path: place } = location;
  if (
    rwlayer !== undefined &&
    mount.fsType === "btrfs" &&
    isSameOrBelow(place, rwlayer)
  ) {
    warnings.push(
      `${directory} is in the root of this boot, which the next one replaces: move it to the top level of the partition`,
    );
    return undefined;
  }
  return formatKernelOptions(await nameSource(host, location), place);
}
