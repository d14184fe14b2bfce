import path from "node:path";
import t from "tap";
import { formatReport } from "../../../installer/doctor/rules/format-report.ts";
import { ExpectedTexts } from "../expected-texts.ts";
import {
  examine,
  KERNEL,
  makeDoctorMachine,
  setMenu,
} from "./captured-doctor.ts";
import { formatFindings, lock } from "./doctor-cases.ts";

t.test("all that is found on machines that boot", async (t) => {
  const scratch = t.testdir();
  const expected = new ExpectedTexts(
    path.join(import.meta.dirname, "expected/report.txt"),
  );
  for (const [title, engine, store] of [
    ["Docker's store", "docker"],
    ["containerd's store", "containerd"],
    ["Podman's store", "podman"],
    ["names with spaces", "docker", "a b"],
  ] as const) {
    const machine = makeDoctorMachine(path.join(scratch, title), engine, store);
    const { findings } = await examine(machine);
    expected.hold(t, title, formatFindings(machine, findings));
  }
  expected.end(t);
});

t.test("for people: the worst first, the good in short", async (t) => {
  const machine = makeDoctorMachine(t.testdir());
  machine.image.remove(`usr/lib/modules/${KERNEL}`);
  setMenu(machine, { initrd: "/gone\u001b[2J" });
  lock(machine);
  const style = (format: unknown, text: string) =>
    `<${String(format)}>${text}</>`;
  const text = formatReport(await examine(machine), { style });
  t.match(
    text,
    /^<bold,red>would stop a boot: kernel: the image one:1 has no kernel modules.*<\/>\n {2}what to do: Install a kernel /,
  );
  t.match(
    text,
    /^ok +boot-entries +entries that boot an image: 1 of the 2 found$/m,
  );
  t.match(text, "/gone\\x1b[2J");
  t.match(text, /\n\n<bold,red>3 problems would stop a boot<\/>\n$/);
  t.notMatch(text, "\u001b");
});
