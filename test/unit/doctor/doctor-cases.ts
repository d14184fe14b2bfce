import path from "node:path";
import type { Test } from "tap";
import type { Finding } from "../../../installer/doctor/rules/finding.ts";
import { ExpectedTexts } from "../expected-texts.ts";
import {
  examine,
  makeDoctorMachine,
  setOptions,
  type DoctorMachine,
} from "./captured-doctor.ts";

export type Change = (machine: DoctorMachine) => void;

/** What is changed of a machine, by titles. */
export type Cases = Readonly<Record<string, Change>>;

/** The parameters of a machine: its engine, and where the store is. */
type MachineKind = readonly [
  engine?: Parameters<typeof makeDoctorMachine>[1],
  store?: string,
];

export const together =
  (...changes: readonly Change[]): Change =>
  (machine) => {
    for (const change of changes) change(machine);
  };

/** The machine's menu has no entry that boots an image. */
export const withoutEntry: Change = ({ system }) => {
  system.remove("boot/grub/grub.cfg");
};

/** Nothing boots an image yet. */
export const withoutBoot = together(withoutEntry, (machine) => {
  machine.system.remove("etc/dockroot.json");
  setOptions(machine, "root=/dev/vda3 ro quiet");
});

/** Nobody has a password. */
export const lock: Change = ({ layer }) => {
  layer.edit("etc/shadow", (text) =>
    text.replaceAll(/^(\w+):\$[^:]*/gm, "$1:!"),
  );
};

export function formatFindings(
  { system }: DoctorMachine,
  findings: readonly Finding[],
): string {
  return findings.map(formatFinding).join("").replaceAll(system.at, "");
}

function formatFinding({ severity, subject, message, remedy }: Finding) {
  const lines = [`${severity} ${subject}: ${message}`];
  if (remedy !== null) lines.push(`    ${remedy}`);
  return `${lines.join("\n")}\n`;
}

/**
 * Compares what is found on changed machines, and not on an unchanged one, with a file below `expected`.
 * The cases of a group change one machine in turn: to make one takes longer than to examine it.
 */
export async function holdCases(
  t: Test,
  file: string,
  groups: Readonly<Record<string, readonly [Cases, ...MachineKind]>>,
): Promise<void> {
  const expected = new ExpectedTexts(
    path.join(import.meta.dirname, "expected", file),
  );
  for (const [group, [cases, ...kind]] of Object.entries(groups)) {
    await t.test(group, async (t) => {
      const made = makeDoctorMachine(t.testdir(), ...kind);
      const { findings } = await examine(made);
      const usual = new Set(findings.map(formatFinding));
      const { system, disk, image, layer } = made;
      const restore = [disk, image, layer, system].map((tree) => tree.keep());
      for (const [title, change] of Object.entries(cases)) {
        const machine = {
          ...made,
          mounts: [...made.mounts],
          free: new Map(made.free),
          versions: { ...made.versions },
        };
        change(machine);
        const { findings } = await examine(machine);
        const others = findings.filter((one) => !usual.has(formatFinding(one)));
        const text = formatFindings(machine, others);
        expected.hold(t, `${group}: ${title}`, text);
        for (const takeBack of restore) takeBack();
      }
    });
  }
  expected.end(t);
}
