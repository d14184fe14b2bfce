// runner: tier=first seconds=16 needs=debian
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { runInRoot, unpackDebian } from "../../fixtures/debian-chroot.ts";
import { run } from "../../fixtures/run.ts";
import { makeScratch } from "./scratch.ts";

const SCRIPTS = path.resolve(import.meta.dirname, "../../scripts");
const scratch = makeScratch(t, "setup");
const root = path.join(scratch, "root");
const POLICY = `${root}/usr/sbin/policy-rc.d`;
const WITHOUT_SERVICES = "/scripts/without-services";

/** Tells its progress as apt does. */
const fakeApt = path.join(scratch, "fake-apt");
fs.writeFileSync(
  fakeApt,
  `#!/bin/sh
echo 'Reading package lists...'
echo 'dlstatus:2:40.5:Retrieving file 2 of 5 (3s remaining)' >&3
sleep 2.5
echo 'pmstatus:libc6:12.3456:Unpacking libc6 (amd64)' >&3
sleep "$1"
`,
  { mode: 0o755 },
);
const showProgress = path.join(SCRIPTS, "show-progress");
const withoutTerminal = run([showProgress, "apt-get", fakeApt, "9"]);

await unpackDebian(root);
fs.cpSync(SCRIPTS, `${root}/scripts`, { recursive: true });
// invoke-rc.d starts nothing where there is no runlevel, as in any chroot.
fs.rmSync(`${root}/usr/sbin/runlevel`);
fs.writeFileSync(`${root}/usr/sbin/runlevel`, "#!/bin/sh\necho N 2\n", {
  mode: 0o755,
});

/** What starts at a boot: links to units, and init scripts. */
async function listEnabled(): Promise<string[]> {
  const found = await run(
    [
      ...["find", "etc/systemd/system", "etc/systemd/user", "-type", "l"],
      ...["-printf", "%P\n"],
    ],
    { cwd: root },
  );
  const scripts = [2, 3, 4, 5].flatMap((level) =>
    fs
      .readdirSync(`${root}/etc/rc${String(level)}.d`)
      .filter((name) => name.startsWith("S"))
      .map((name) => `rc${String(level)}.d/${name}`),
  );
  return [...found.split("\n"), ...scripts].toSorted();
}

/**
 * Makes a package with units and an init script, as debhelper 13.11.4 makes them.
 * @param unit more lines for the service
 * @param postinst more lines for the script, after all the others
 * @returns the package's file in the root
 */
async function makePackage(
  name: string,
  { unit = "", postinst = "" } = {},
): Promise<string> {
  const tree = `${root}/tmp/${name}`;
  const write = (file: string, text: string, mode = 0o644) => {
    fs.mkdirSync(path.dirname(`${tree}/${file}`), { recursive: true });
    fs.writeFileSync(`${tree}/${file}`, text, { mode });
  };
  write(
    "DEBIAN/control",
    `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n`,
  );
  write(
    `lib/systemd/system/${name}.service`,
    `[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target graphical.target\n${unit}`,
  );
  write(
    `lib/systemd/system/${name}.socket`,
    `[Socket]\nListenStream=/run/${name}\n[Install]\nWantedBy=sockets.target\n`,
  );
  write(
    `usr/lib/systemd/user/${name}.service`,
    "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=default.target\n",
  );
  write(
    `etc/init.d/${name}`,
    `#!/bin/sh
### BEGIN INIT INFO
# Provides: ${name}
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
touch "/run/${name}-$1"
`,
    0o755,
  );
  const enable = (unit: string, option = "") => `
if deb-systemd-helper ${option} --quiet was-enabled '${unit}'; then
  deb-systemd-helper ${option} enable '${unit}' >/dev/null || true
else
  deb-systemd-helper ${option} update-state '${unit}' >/dev/null || true
fi`;
  write(
    "DEBIAN/postinst",
    `#!/bin/sh
set -e
update-rc.d ${name} defaults >/dev/null
invoke-rc.d --skip-systemd-native ${name} start || exit 1
${enable(`${name}.service`)}
${enable(`${name}.socket`)}
${enable(`${name}.service`, "--user")}
${postinst}
`,
    0o755,
  );
  await runInRoot(root, "dpkg-deb", "--build", `/tmp/${name}`);
  return `/tmp/${name}.deb`;
}

function checkIsOff(t: Test, name: string): void {
  t.notOk(fs.existsSync(POLICY), "policy-rc.d is gone");
  t.notOk(fs.existsSync(`${root}/run/${name}-start`), "was not started");
  t.ok(fs.existsSync(`${root}/etc/rc2.d/K01${name}`), "the script is off");
}

// A service of the administrator's.
await runInRoot(root, "dpkg", "--install", await makePackage("kept"));
const before = await listEnabled();
t.match(
  before,
  new Set([
    "multi-user.target.wants/kept.service",
    "sockets.target.wants/kept.socket",
    "default.target.wants/kept.service",
    "rc2.d/S01kept",
  ]),
  "packages enable their services here",
);
t.ok(fs.existsSync(`${root}/run/kept-start`), "and start them");

for (const { name, systemctl } of [
  { name: "with-systemd", systemctl: true },
  { name: "without-systemd", systemctl: false },
]) {
  const how = systemctl ? "" : ", and no systemctl is there";
  await t.test(`new services stay off${how}`, async (t) => {
    const programs = `${root}/usr/bin`;
    if (!systemctl) {
      fs.renameSync(`${programs}/systemctl`, `${programs}/hidden`);
      t.teardown(() => {
        fs.renameSync(`${programs}/hidden`, `${programs}/systemctl`);
      });
    }
    // By Also=, systemctl disable would disable the other as well.
    const file = await makePackage(name, { unit: "Also=kept.service\n" });
    const said = await runInRoot(
      root,
      ...[WITHOUT_SERVICES, "dpkg", "--install", file],
    );
    t.strictSame(await listEnabled(), before);
    checkIsOff(t, name);
    t.match(
      said,
      [
        "New units are left disabled. To use one, run: systemctl enable UNIT",
        `  ${name}.service ${name}.socket`,
        "New units of users are left disabled. To use one, run: systemctl --global enable UNIT",
        `  ${name}.service`,
        "New init scripts are left disabled. To use one, run: update-rc.d NAME enable",
        `  ${name}`,
      ].join("\n"),
    );
  });
}

await t.test("what was enabled later stays so at an upgrade", async (t) => {
  await runInRoot(root, "systemctl", "enable", "with-systemd.socket");
  await runInRoot(root, "update-rc.d", "without-systemd", "enable");
  const enabled = await listEnabled();
  t.ok(enabled.includes("sockets.target.wants/with-systemd.socket"));
  t.ok(enabled.includes("rc2.d/S01without-systemd"));
  const said = await runInRoot(
    root,
    ...[WITHOUT_SERVICES, "dpkg", "--install"],
    ...["/tmp/with-systemd.deb", "/tmp/without-systemd.deb"],
  );
  t.strictSame(await listEnabled(), enabled);
  t.notMatch(said, /left disabled/);
});

await t.test("after a package that cannot be configured", async (t) => {
  const enabled = await listEnabled();
  const file = await makePackage("broken", { postinst: "exit 7" });
  await t.rejects(
    runInRoot(root, WITHOUT_SERVICES, "dpkg", "--install", file),
    /status 1[^]*left disabled[^]*broken\.socket/,
  );
  t.strictSame(await listEnabled(), enabled);
  checkIsOff(t, "broken");
});

await t.test("after an interruption", async (t) => {
  const enabled = await listEnabled();
  const file = await makePackage("interrupted");
  const script = `dpkg --install ${file}; echo installed; exec sleep 60`;
  // A root without /proc, too.
  const child = spawn(
    "chroot",
    [root, WITHOUT_SERVICES, "sh", "-c", script],
    // A group of processes, as a terminal interrupts it.
    { detached: true, stdio: ["ignore", "pipe", "ignore"] },
  );
  let said = "";
  let isInterrupted = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    if (
      !isInterrupted &&
      /^installed$/m.test(said) &&
      child.pid !== undefined
    ) {
      isInterrupted = true;
      t.ok(fs.existsSync(POLICY), "policy-rc.d is there meanwhile");
      process.kill(-child.pid, "SIGINT");
    }
  });
  t.strictSame(await once(child, "close"), [130, null]);
  t.match(said, /left disabled[^]*interrupted\.socket/);
  t.strictSame(await listEnabled(), enabled);
  checkIsOff(t, "interrupted");
});

await t.test("a policy-rc.d of the administrator's stays", async (t) => {
  fs.writeFileSync(POLICY, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await runInRoot(root, WITHOUT_SERVICES, "true");
  t.equal(fs.readFileSync(POLICY, "utf8"), "#!/bin/sh\nexit 0\n");
});

/** What `scripts/setup TARGET` would install in a Debian that has little. */
async function listMissing(target: string): Promise<string[]> {
  const said = await runInRoot(
    root,
    ...["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"],
    ...["/scripts/setup-packages", target],
  ).then(
    () => "",
    (error: unknown) => String(error),
  );
  const [, packages = ""] =
    /apt-get install -y --no-install-recommends (.*)/.exec(said) ?? [];
  return packages.split(" ").toSorted();
}

await t.test("each target has what it needs installed, no more", async (t) => {
  t.strictSame(await listMissing("modules"), ["nodejs", "npm"]);
  t.strictSame(await listMissing("test-unit"), ["attr", "nodejs", "npm"]);
  const machines = await listMissing("test-vm");
  const engines = await listMissing("test-root");
  t.ok(machines.includes("qemu-system-x86") && !machines.includes("fish"));
  t.ok(engines.includes("fish") && !engines.includes("qemu-system-x86"));
  const all = new Set([
    ...machines,
    ...engines,
    ...(await listMissing("test-unit")),
    ...(await listMissing("test-binary")),
    ...(await listMissing("test-faults")),
  ]);
  t.strictSame(await listMissing("test"), [...all].toSorted(), "test: all");
});

await t.test("on a terminal one line shows what apt does", (t) => {
  const { stdout, status } = spawnSync(
    "script",
    ["-qec", 'stty cols 29; "$SHOW" apt-get "$APT" 1', "/dev/null"],
    {
      encoding: "utf8",
      env: { ...process.env, TERM: "xterm", SHOW: showProgress, APT: fakeApt },
    },
  );
  t.equal(status, 0);
  const drawn = stdout.split("\r\x1b[K");
  t.equal(drawn.shift(), "", "nothing before");
  t.equal(drawn.pop(), "", "erased at the end");
  // How often it is drawn depends on the machine.
  for (const line of drawn) {
    t.match(line, /^apt-get \(\d s\) (?:40% Retrieving|12% Unpacking )$/);
  }
  t.match(drawn.at(-1), / 12% Unpacking $/, "cut to the width");
  t.end();
});

await t.test("elsewhere a line each 10 s", async (t) => {
  t.match(
    await withoutTerminal,
    /^apt-get \(1\d s\) 12% Unpacking libc6 \(amd64\)$/,
  );
});

await t.test("the output of a command that fails is shown", async (t) => {
  await t.rejects(
    run([showProgress, "x", "sh", "-c", "echo why; exit 5"]),
    /status 5\n {2}\| why$/,
  );
  t.equal(await run([showProgress, "x", "echo", "all well"]), "");
});

await t.test("another apt is waited for", async (t) => {
  const programs = path.join(scratch, "bin");
  fs.mkdirSync(programs);
  // What apt-get 2.6.1 says.
  const fake = `#!/bin/sh
[ ! -e "$0-ran" ] || exit 0
touch "$0-ran"
echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12299 (apt-get)' >&2
exit 100
`;
  fs.writeFileSync(`${programs}/apt-get`, fake, { mode: 0o755 });
  t.match(
    await run([`${SCRIPTS}/run-apt`, "update"], {
      env: { PATH: `${programs}:${process.env["PATH"] ?? ""}` },
    }),
    /^Waiting for process 12299 \(apt-get\), which holds the lock/m,
  );
});
