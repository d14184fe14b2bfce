// runner: tier=first seconds=60 needs=debian
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { executable } from "../../binary/run-dockroot.ts";
import { makeInstalledSystem } from "../installed-system.ts";

const system = await makeInstalledSystem(t, "bookworm");
const at = (file: string) => path.join(system.root, file);
const GENERATOR = "usr/sbin/mkinitramfs";
const IMAGE = `boot/initrd.img-${system.kernelVersion}.dockroot-new`;

// A generator that takes its time, says how many of its kind there are, and leaves a service behind.
fs.renameSync(at(GENERATOR), at(`${GENERATOR}.real`));
fs.writeFileSync(
  at(GENERATOR),
  `#!/bin/sh
echo begin >>/var/tmp/generators
if [ -e /var/tmp/wait ]; then
  tries=0
  while [ -e /var/tmp/wait ] && [ $((tries += 1)) -lt 300 ]; do sleep 0.1; done
  echo "half an image" >"$2"
else
  setsid sleep 300 >/dev/null 2>&1 &
  echo $! >/var/tmp/service
  /usr/sbin/mkinitramfs.real "$@"
fi
echo end >>/var/tmp/generators
`,
  { mode: 0o755 },
);

/** Starts an install whose generator waits for `letGo`. */
async function startInstall(): Promise<ChildProcess> {
  fs.rmSync(at("var/tmp/generators"), { force: true });
  fs.writeFileSync(at("var/tmp/wait"), "");
  const child = spawn(executable, ["install", "--root", system.root], {
    stdio: "ignore",
  });
  await until(() => said() !== "");
  return child;
}

function letGo(): void {
  fs.rmSync(at("var/tmp/wait"));
}

function said(): string {
  const file = at("var/tmp/generators");
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    if (isSo()) return;
    await sleep(100);
  }
  throw new Error("it did not become so within half a minute");
}

/** The process that works in the tree: the first one's only child. */
function workerOf(child: ChildProcess): number {
  const pid = String(child.pid);
  const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return Number(children.trim().split(" ")[0]);
}

function newImages(): string[] {
  return fs
    .readdirSync(at("boot"))
    .filter((name) => name.includes("dockroot-new"));
}

await t.test("killed alone while its generator runs", async (t) => {
  const before = system.tree();
  const child = await startInstall();
  process.kill(workerOf(child), "SIGKILL");
  await once(child, "close");

  for (const command of ["install", "uninstall"]) {
    const { status, stderr } = system.dockroot(command);
    t.equal(status, 1);
    t.match(stderr, /generator of an interrupted run is still running/);
    t.match(stderr, /what to do: Wait for it to exit/);
  }
  t.equal(said(), "begin\n", "no second generator is started beside it");

  letGo();
  await until(() => said().endsWith("end\n"));
  t.strictSame(newImages(), [path.basename(IMAGE)], "it went on to its end");
  const next = system.dockroot("install");
  t.equal(next.status, 0, next.stderr);
  t.match(next.stdout, /interrupted run had done was taken back first/);
  t.strictSame(newImages(), []);

  const last = system.dockroot("uninstall");
  t.equal(last.status, 0, "a service that a generator left keeps nobody off");
  process.kill(Number(fs.readFileSync(at("var/tmp/service"), "utf8")));
  for (const name of ["generators", "service"])
    fs.rmSync(at(`var/tmp/${name}`));
  t.strictSame(system.tree(), before, "nothing is left of it");
});

await t.test(
  "what entered the tree is killed, not what works there",
  async (t) => {
    const before = system.tree();
    const child = await startInstall();
    const { status, stderr } = system.dockroot("uninstall");
    t.equal(status, 1);
    t.match(stderr, /another dockroot install or uninstall is running/);
    const log = fs.readFileSync(at("var/log/dockroot.log"), "utf8");
    t.match(JSON.parse(log.trim().split("\n").at(-1) ?? ""), {
      command: "uninstall",
      msg: /another dockroot install or uninstall/,
    });
    child.kill("SIGKILL");
    await once(child, "close");
    await until(() => !fs.existsSync(at("var/lib/dockroot")));
    t.equal(said(), "begin\n", "the generator is ended");
    letGo();
    fs.rmSync(at("var/tmp/generators"));
    t.strictSame(system.tree(), before, "and all is taken back at once");
  },
);
