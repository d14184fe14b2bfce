// runner: tier=first seconds=6
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { tmpdir } from "node:os";
import t, { type Test } from "tap";
import { run } from "../../../fixtures/run.ts";
import { undoLater } from "../../../fixtures/undo.ts";
import { executable } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse, type Rehearsal } from "../boot-disk.ts";
import { tellStatus } from "../status/tell-status.ts";

// What stands in a directory that root alone may enter has names that root alone may see.

const disk = await makeBootDisk(t, "private-names");
const option = (layer: string) =>
  `toplayer=LABEL=${disk.label} toplayer_path=layers/${layer}`;
const modeOf = (file: string) => fs.statSync(file).mode & 0o777;

await disk.look(async (top) => {
  const script = String.raw`
    mkdir -p warned/root/.ssh refused/root/.ssh
    chmod 700 */root
    : >warned/root/.ssh/.wh.
    : >"refused/root/.ssh/$(printf 'caf\351')"; : >refused/root/.ssh/.wh.x`;
  await run([
    "sh",
    "-ec",
    `mkdir "$1/layers"; cd "$1/layers"; ${script}`,
    "sh",
    top,
  ]);
});

/** As everybody sees it. */
async function statusOfNobody(t: Test, machine: Rehearsal): Promise<string> {
  // Nobody may enter the tests' own directories.
  const place = fs.mkdtempSync(path.join(tmpdir(), "dockroot-names-"));
  t.teardown(
    undoLater(() => fs.promises.rm(place, { recursive: true, force: true })),
  );
  fs.chmodSync(place, 0o755);
  fs.copyFileSync(executable, `${place}/dockroot`);
  await run(["cp", "-a", machine.runDirectory, `${place}/run`]);
  const { stdout, stderr } = spawnSync(
    `${place}/dockroot`,
    ["status", "--run-dir", `${place}/run`],
    { cwd: "/", env: {}, uid: 65534, gid: 65534, encoding: "utf8" },
  );
  return `${stdout}${stderr}`;
}

await t.test("a warning names files to root alone", async (t) => {
  const machine = rehearse(t, disk, "warned");
  const { status, stdout, stderr } = machine.boot(option("warned"), "--json");
  t.equal(status, 0, stderr);
  t.match(stderr, /warning: the top layer's \/root\/\.ssh\/\.wh\. /);
  t.notMatch(stdout, /\.ssh/);
  const at = (name: string) => path.join(machine.runDirectory, name);
  t.equal(modeOf(at("boot.json")), 0o644);
  t.equal(modeOf(at("boot.log")), 0o600);
  t.strictSame(machine.record().warnings, [
    "merging the top layer gave a warning: see boot.log, or run dockroot toplayer check",
  ]);
  t.notMatch(fs.readFileSync(at("boot.json"), "utf8"), /\.ssh/);
  t.match(machine.warnings(), [/^the top layer's \/root\/\.ssh\/\.wh\. /]);
  const told = await statusOfNobody(t, machine);
  t.match(told, /^image +system:1$/m);
  t.match(told, /^warning: merging the top layer gave a warning: /m);
  t.notMatch(told, /\.ssh/);
  t.equal(machine.finish().status, 0);
  const planned = machine.boot(option("warned"), "--dry-run").stdout;
  t.match(planned, /^merge +files \d+, .*, skipped 1$/m);
  t.match(planned, /^warning: the top layer's \/root\/\.ssh\/\.wh\. /m);
});

await t.test("so does a failure", async (t) => {
  const machine = rehearse(t, disk, "refused");
  t.equal(machine.boot().status, 0);
  t.equal(machine.finish().status, 0);
  const { status, stderr } = machine.boot(
    `${option("refused")} dockroot.fallback=last`,
  );
  t.equal(status, 0, stderr);
  t.match(stderr, /because: .*\/root\/\.ssh\/caf/);
  const file = path.join(machine.runDirectory, "boot.json");
  t.notMatch(fs.readFileSync(file, "utf8"), /\.ssh/);
  t.match(machine.record(), {
    result: "fallback",
    failure: {
      code: "TOPLAYER_UNSUITABLE",
      message: /^cannot plan the merge of the top layer /,
      causes: [],
      hint: "Rename it.",
    },
  });
  t.ok(machine.warnings().some((text) => text.includes("/root/.ssh/caf")));
  t.notMatch(await statusOfNobody(t, machine), /\.ssh/);
  t.equal(machine.finish().status, 0);
  const { text } = await tellStatus(t, disk, machine);
  t.match(text, /last failure, [^]*because: .*\/root\/\.ssh\/caf/);
});
