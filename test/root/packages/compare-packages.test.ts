// runner: tier=first seconds=8
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { run } from "../../../fixtures/run.ts";
import {
  comparePackages,
  readSystemName,
} from "../../../installer/packages/compare-packages.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { makeScratch } from "../scratch.ts";

const scratch = makeScratch(t, "packages");
const host = createHost("/", createLog([]));

/** Makes a directory below the scratch directory. */
function within(...names: readonly string[]): string {
  const directory = path.join(scratch, ...names);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** A package manager, and how it installs packages into a tree. */
interface RealManager {
  readonly manager: string;
  /** Makes a package that has a file and a configuration file. */
  readonly make: (name: string, version: string) => Promise<string>;
  readonly install: (
    tree: string,
    files: readonly string[],
  ) => Promise<unknown>;
  readonly remove: (tree: string, name: string) => Promise<unknown>;
}

const dpkg = (tree: string, ...args: readonly string[]) => {
  within(path.relative(scratch, tree), "var/lib/dpkg/updates");
  within(path.relative(scratch, tree), "var/lib/dpkg/info");
  writeFileSync(path.join(tree, "var/lib/dpkg/status"), "", { flag: "a" });
  return run(["dpkg", `--root=${tree}`, "--force-all", ...args]);
};

const pacman = (tree: string, ...args: readonly string[]) => {
  within(path.relative(scratch, tree), "var/lib/pacman");
  const config = path.join(scratch, "pacman.conf");
  writeFileSync(config, "[options]\nArchitecture = auto\nSigLevel = Never\n");
  return run([
    ...["pacman", "--root", tree, "--dbpath", `${tree}/var/lib/pacman`],
    ...["--config", config, "--noconfirm", ...args],
  ]);
};

const rpm =
  (directory: string) =>
  (tree: string, ...args: readonly string[]) =>
    run([
      ...["rpm", "--root", tree, "--dbpath", `/${directory}`, "--force-debian"],
      ...["--nodeps", ...args],
    ]);

async function makeRpm(name: string, version: string): Promise<string> {
  const top = within("rpm", `${name}-${version}`);
  const spec = path.join(top, "it.spec");
  const [epoch, rest = ""] = version.split(":");
  const [upstream, release] = rest.split("-");
  writeFileSync(
    spec,
    `Name: ${name}\nEpoch: ${String(epoch)}\nVersion: ${String(upstream)}\nRelease: ${String(release)}\n` +
      "Summary: it\nLicense: MIT\nBuildArch: noarch\n%description\n%files\n",
  );
  const topDirectory = `_topdir ${top}`;
  await run(["rpmbuild", "-bb", "--quiet", "--define", topDirectory, spec]);
  const file = `${name}-${String(upstream)}-${String(release)}.noarch.rpm`;
  return path.join(top, "RPMS/noarch", file);
}

const managers: readonly RealManager[] = [
  {
    manager: "dpkg",
    make: async (name, version) => {
      const tree = within("dpkg", `${name}-${version}`);
      mkdirSync(path.join(tree, "DEBIAN"));
      mkdirSync(path.join(tree, "etc"));
      writeFileSync(path.join(tree, "etc", name), "");
      writeFileSync(path.join(tree, "DEBIAN/conffiles"), `/etc/${name}\n`);
      writeFileSync(
        path.join(tree, "DEBIAN/control"),
        `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: me\nDescription: it\n`,
      );
      await run(["dpkg-deb", "--build", tree]);
      return `${tree}.deb`;
    },
    install: (tree, files) => dpkg(tree, "--install", ...files),
    // Its configuration file stays, and so its name.
    remove: (tree, name) => dpkg(tree, "--remove", name),
  },
  {
    manager: "pacman",
    make: async (name, version) => {
      const tree = within("pacman", `${name}-${version}`);
      writeFileSync(
        path.join(tree, ".PKGINFO"),
        `pkgname = ${name}\npkgbase = ${name}\npkgver = ${version}\npkgdesc = it\nsize = 1\narch = any\n`,
      );
      writeFileSync(path.join(tree, name), "");
      const file = `${tree}.pkg.tar.zst`;
      await run([
        ...["tar", "--zstd", "-cf", file, "-C", tree, ".PKGINFO", name],
      ]);
      return file;
    },
    install: (tree, files) => pacman(tree, "-U", ...files),
    remove: (tree, name) => pacman(tree, "-R", name),
  },
  ...["usr/lib/sysimage/rpm", "var/lib/rpm"].map((directory) => ({
    manager: "rpm",
    make: makeRpm,
    install: (tree: string, files: readonly string[]) =>
      rpm(directory)(tree, "--upgrade", ...files),
    remove: (tree: string, name: string) => rpm(directory)(tree, "-e", name),
  })),
];

for (const [index, real] of managers.entries()) {
  const { manager, make, install, remove } = real;
  t.test(`what a real ${manager} has installed is compared`, async (t) => {
    const [from, to] = [
      within(String(index), "from"),
      within(String(index), "to"),
    ];
    const first = await make("first", "1:1.0-1");
    const changed = await make("two-words", "1:1.0-1");
    const newer = await make("two-words", "1:1.1-1");
    const gone = await make("gone", "1:1.0-1");
    const added = await make("added", "1:2.0-3");
    await install(from, [first, changed, gone]);
    await install(to, [first, changed, gone]);
    t.match(await comparePackages(host, from, to), {
      manager,
      ...{ added: [], removed: [], changed: [] },
    });
    await remove(to, "gone");
    await install(to, [newer, added]);
    const expected = {
      manager,
      added: [{ name: "added", version: "1:2.0-3" }],
      removed: [{ name: "gone", version: "1:1.0-1" }],
      changed: [{ name: "two-words", from: "1:1.0-1", to: "1:1.1-1" }],
    };
    t.strictSame(await comparePackages(host, from, to), expected);
    const all = await comparePackages(host, undefined, from);
    t.equal(all?.added.length, 3, "all come where nothing was");
    t.equal(await comparePackages(host, within("nothing"), to), undefined);
  });
}

t.test("a hostile tree shows nothing of this machine", async (t) => {
  const tree = within("hostile");
  const outside = within("outside");
  writeFileSync(path.join(outside, "status"), "Package: x\nVersion: 1\n");
  writeFileSync(path.join(outside, "os-release"), 'PRETTY_NAME="outside"\n');
  within("hostile/var/lib");
  within("hostile/etc");
  symlinkSync(outside, path.join(tree, "var/lib/dpkg"));
  symlinkSync(`${outside}/os-release`, path.join(tree, "etc/os-release"));
  t.equal(await comparePackages(host, undefined, tree), undefined);
  t.equal(readSystemName(host, tree), undefined);
  rmSync(path.join(tree, "var/lib/dpkg"));
  within("hostile/var/lib/dpkg");
  execFileSync("mkfifo", [path.join(tree, "var/lib/dpkg/status")]);
  rmSync(path.join(tree, "etc/os-release"));
  execFileSync("mkfifo", [path.join(tree, "etc/os-release")]);
  t.equal(await comparePackages(host, undefined, tree), undefined);
  t.equal(readSystemName(host, tree), undefined);
  within("hostile/usr/lib/os");
  writeFileSync(path.join(tree, "usr/lib/os/it"), "PRETTY_NAME='It 1'\n");
  symlinkSync("/usr/lib/os/it", path.join(tree, "usr/lib/os-release"));
  t.equal(readSystemName(host, tree), "It 1", "a link within it is followed");
});
