// runner: tier=first seconds=5
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { scaleTimeout } from "../../../fixtures/slowness.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { findProgram } from "../../runner/find-program.ts";
import { makeFaultyHelpers, numberCalls } from "../../faults/faulty-helpers.ts";
import { start } from "../../faults/faulty-start.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";
import { makeScratch } from "../scratch.ts";

/** What hangs, at its first call for this work, and is silent. `"*"`: anything. */
const HANGING = [
  { helper: "mount", work: "-t btrfs", name: "mount hangs" },
  { helper: "btrfs", work: "subvolume snapshot", name: "btrfs hangs" },
  {
    helper: "mount",
    work: '--bind "*"/to/0',
    name: "the next root is mounted for its attributes",
  },
  { helper: "sync", work: "-f", name: "sync hangs" },
];
/** Longer than dockroot takes twice, and shorter than a helper may take. */
const LIMIT_MS = 60_000;

const disk = await makeBootDisk(t, "killed-alone");
await disk.look((top) => {
  fs.mkdirSync(`${top}/files/etc`, { recursive: true });
  // So that etc is taken apart, and its attributes copied by themselves.
  fs.writeFileSync(`${top}/files/etc/.wh.mtab`, "");
});

for (const [index, { helper, work, name }] of HANGING.entries()) {
  await t.test(
    `dockroot alone is killed while ${name}: the next boot works at once`,
    (t) => {
      const machine = rehearse(
        t,
        disk,
        `killed-${String(index)}`,
        `docker_image=system:1 toplayer=LABEL=${disk.label} toplayer_path=files`,
      );
      const directory = path.dirname(machine.runDirectory);
      const file = (name: string) => path.join(directory, name);
      const program = findProgram(helper) ?? "";
      fs.copyFileSync(program, file("real"));
      fs.writeFileSync(
        file("hanging"),
        `#!/bin/sh
case " $* " in
*" ${work} "*)
  if [ ! -e ${file("hangs")} ]; then
    ${file("real")} "$@" || exit
    for last; do :; done
    exec 9<"$last" && : >${file("hangs")} && exec sleep 1000 >/dev/null 2>&1
  fi ;;
esac
exec ${file("real")} "$@"
`,
        { mode: 0o755 },
      );
      // Writes the kernel command line.
      machine.boot("", "--dry-run");
      const script = `
mount --bind ${file("hanging")} ${program} || exit
"$@" 2>${file("killed")} &
until [ -e ${file("hangs")} ]; do sleep 0.02; done
kill -9 $!
wait $!
"$@" 2>${file("said")}
echo "$?" >${file("status")}
`;
      // What goes on when the script has ended ends with it, and so do the mounts.
      spawnSync(
        "unshare",
        [
          ...["--mount", "--propagation=private", "--pid", "--fork"],
          ...["--kill-child", "--", "sh", "-c", script, "sh"],
          ...[executable, "boot", "--cmdline", file("cmdline")],
          ...["--config", file("config.json")],
          ...["--run-dir", machine.runDirectory],
        ],
        { timeout: scaleTimeout(LIMIT_MS), killSignal: "SIGKILL" },
      );
      const read = (name: string) => fs.readFileSync(file(name), "utf8");
      t.notMatch(read("killed"), /in place/);
      t.equal(read("status"), "0\n", read("said"));
      t.match(machine.record(), { result: "fresh", warnings: [] });
      t.end();
    },
  );
}

/** As a busybox's answers. */
const NO_TIE = `#!/bin/sh
echo "setpriv: unrecognized option '--pdeathsig'" >&2; exit 1
`;

for (const how of ["missing", "not executable", "busybox's"] as const) {
  await t.test(`where setpriv is ${how} it boots, and says so`, (t) => {
    const scratch = makeScratch(t, "helpers");
    const helpers = makeFaultyHelpers(scratch);
    helpers.arrange();
    if (how !== "busybox's") helpers.spoil("setpriv", how);
    else fs.writeFileSync(path.join(scratch, "fake/setpriv"), NO_TIE);
    const name = how.replaceAll(/\W/g, "-");
    const { status, finishStatus, said } = start(
      helpers,
      `${disk.scratch}/${name}`,
      `root=LABEL=${disk.label} rootflags=subvol=${name} docker_path=docker docker_image=system:1`,
    );
    t.strictSame([status, finishStatus], [0, 0], said);
    t.match(
      said,
      "dockroot: warning: util-linux's setpriv was not found: helper programs may keep running",
    );
    t.end();
  });
}

await t.test(
  "where umount is killed, a former root boots and nothing stays mounted",
  async (t) => {
    const helpers = makeFaultyHelpers(makeScratch(t, "helpers"));
    const cmdline = `root=LABEL=${disk.label} rootflags=subvol=unmounting docker_path=docker docker_image=system:1 toplayer=LABEL=${disk.label} toplayer_path=files`;
    const boot = () => start(helpers, `${disk.scratch}/unmounting`, cmdline);
    helpers.arrange();
    t.equal(boot().record?.result, "fresh");
    const unmount = numberCalls(helpers.calls()).findLast((_, index) =>
      helpers.calls()[index]?.includes("umount --recursive"),
    );
    helpers.arrange("is killed before its work", unmount);
    const { record, finishStatus, said, left } = boot();
    t.ok(helpers.hasFired());
    t.equal(record?.result, "fallback", said);
    t.equal(finishStatus, 0, said);
    t.strictSame(left, []);
    const subvolumes = Object.keys(await disk.subvolumes()).join(" ");
    t.notMatch(subvolumes, "unmounting/staging", said);
  },
);
