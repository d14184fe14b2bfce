// runner: tier=first seconds=37 needs=debian
import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import {
  runBesideRoot,
  runInRoot,
  unpackDebian,
} from "../../../fixtures/debian-chroot.ts";
import { run } from "../../../fixtures/run.ts";
import {
  compareListings,
  listTree,
  type TreeListing,
} from "../../../fixtures/tree-listing.ts";
import { commandTable } from "../../../installer/cli/table.ts";
import { runDockroot } from "../../binary/run-dockroot.ts";
import { makeScratch } from "../scratch.ts";

const PROJECT = path.resolve(import.meta.dirname, "../../..");
const scratch = makeScratch(t, "packages");

const shared = path.join(scratch, "installed");
await run(["make", "--silent", "install", `DESTDIR=${shared}`], {
  cwd: PROJECT,
});

/** What a package has, without directories and what package managers add. */
const filesOf = (listing: TreeListing) =>
  Object.entries(listing).flatMap(([name, { kind }]) =>
    kind === "directory" || /^\.[A-Z]+$/.test(name) ? [] : [name],
  );

await t.test(
  "make install: a program, its manual, and nothing that runs",
  (t) => {
    const files = listTree(shared);
    t.strictSame(
      filesOf(files)
        .filter((name) => !name.startsWith("usr/share/doc/dockroot/"))
        .toSorted(),
      [
        "usr/bin/dockroot",
        "usr/share/bash-completion/completions/dockroot",
        "usr/share/fish/vendor_completions.d/dockroot.fish",
        "usr/share/licenses/dockroot/LICENSE",
        "usr/share/licenses/dockroot/LICENSE.modules",
        "usr/share/licenses/dockroot/LICENSE.node",
        "usr/share/man/man8/dockroot.8",
        "usr/share/zsh/site-functions/_dockroot",
      ],
    );
    t.match(
      fs.readFileSync(
        path.join(shared, "usr/share/licenses/dockroot/LICENSE.modules"),
        "utf8",
      ),
      /^yargs \d[^]*Permission is hereby granted/m,
      "what the executable has of others comes with its licence",
    );
    for (const [name, { kind, mode, owner }] of Object.entries(files)) {
      const isProgram = kind === "directory" || name === "usr/bin/dockroot";
      t.match(
        { mode, owner },
        { mode: isProgram ? "755" : "644", owner: "0:0" },
      );
    }
    t.end();
  },
);

await t.test("the manual page has every command and option", async (t) => {
  const page = path.join(shared, "usr/share/man/man8/dockroot.8");
  t.equal(await run(["mandoc", "-T", "lint", "-W", "warning", page]), "");
  const sections = fs.readFileSync(page, "utf8").split(/^\.Ss dockroot /m);
  for (const [name, { flags }] of commandTable) {
    const section = sections.find((text) => text.startsWith(`${name} `)) ?? "";
    for (const flag of Object.keys(flags)) {
      t.match(section, new RegExp(`^\\.It Fl -${flag}\\b`, "m"), name);
    }
  }
});

await t.test("bash-completion finds the completions by itself", async (t) => {
  const loaded = await run(
    [
      ...["bash", "-c"],
      "source /usr/share/bash-completion/bash_completion; _completion_loader dockroot; complete -p dockroot",
    ],
    { env: { XDG_DATA_DIRS: path.join(shared, "usr/share") } },
  ).catch(String);
  t.match(loaded, "-F _dockroot dockroot");
});

/**
 * A Debian root in which a package can be installed: before and after are compared.
 * @param own what the package manager writes down, relative to the root
 */
async function makeRoot(
  name: string,
  own: RegExp,
): Promise<{ root: string; list: () => TreeListing }> {
  const root = path.join(scratch, name);
  await unpackDebian(root);
  return {
    root,
    list: () =>
      Object.fromEntries(
        Object.entries(listTree(root))
          .filter(([file]) => !own.test(file))
          // A directory in which something came and went.
          .map(([file, entry]) =>
            entry.kind === "directory"
              ? [file, { ...entry, mtime: "" }]
              : [file, entry],
          ),
      ),
  };
}

/** Puts dockroot into the initramfs there, as its user does. */
async function installHooks(t: Test, root: string): Promise<void> {
  await runInRoot(root, "dockroot", "install", "--yes", "--image", "system:1");
  t.ok(fs.existsSync(`${root}/var/lib/dockroot/install.json`));
  const [initrd = ""] = fs
    .readdirSync(`${root}/boot`)
    .filter((name) => name.startsWith("initrd.img-"));
  const listing = await runInRoot(root, "lsinitramfs", `/boot/${initrd}`);
  t.match(listing, /^usr\/bin\/dockroot$/m);
}

await t.test("the .deb comes and goes without a trace", async (t) => {
  await run([path.join(PROJECT, "packaging/deb/make-deb"), scratch]);
  const [name = ""] = fs
    .readdirSync(scratch)
    .filter((file) => file.endsWith(".deb"));
  const { root, list } = await makeRoot(
    "debian",
    /^var\/(?:lib\/dpkg|log|cache\/ldconfig)(?:\/|$)/,
  );
  fs.moveSync(path.join(scratch, name), `${root}/tmp/${name}`);
  const before = list();
  const dpkg = (...args: string[]) => runInRoot(root, "dpkg", ...args);
  await dpkg("--install", `/tmp/${name}`);
  t.equal(await dpkg("--audit"), "");
  t.equal(await dpkg("--verify", "dockroot"), "");
  t.equal(
    `${await runInRoot(root, "dockroot", "--version")}\n`,
    runDockroot("--version").stdout,
  );
  t.strictSame(
    fs.readdirSync(`${root}/etc/initramfs-tools/hooks`),
    [],
    "no hook of its own",
  );

  await dpkg("--remove", "dockroot");
  t.strictSame(compareListings(list(), before), [], "removed at once");

  await dpkg("--install", `/tmp/${name}`);
  await installHooks(t, root);
  t.match(await dpkg("--install", `/tmp/${name}`), /^Everything is in place/m);
  t.match(
    await dpkg("--remove", "dockroot"),
    /^Everything that install did has been undone/m,
  );
  await dpkg("--purge", "dockroot");
  t.strictSame(compareListings(list(), before), [], "removed after install");
});

await t.test("the PKGBUILD makes a package that comes and goes", async (t) => {
  const out = path.join(scratch, "arch");
  fs.mkdirpSync(out);
  fs.chmodSync(out, 0o777);
  // makepkg refuses to be root, and others may not enter the project's directory.
  const said = await run([
    ...["unshare", "--mount", "--propagation", "private", "sh", "-ec"],
    'mount --bind "$1" /mnt; mount --bind "$2" /srv; cd /mnt/packaging/arch; shift 2; exec "$@"',
    ...["sh", PROJECT, out],
    ...["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"],
    ...["env", "HOME=/srv", "PKGEXT=.pkg.tar.zst"],
    ...["BUILDDIR", "PKGDEST", "SRCDEST", "LOGDEST"].map(
      (name) => `${name}=/srv`,
    ),
    ...["sh", "-c", "makepkg --nodeps 2>&1"],
  ]);
  t.notMatch(
    // It looks for the installed packages of the system, which is no Arch Linux.
    said.replace(/^==> WARNING: Skipping dependency checks\.$/m, ""),
    /WARNING|ERROR/,
  );
  const [name = ""] = fs
    .readdirSync(out)
    .filter((file) => file.endsWith(".pkg.tar.zst"));
  const [, version = ""] = runDockroot("--version").stdout.split(" ");
  t.equal(name, `dockroot-${version}-1-x86_64.pkg.tar.zst`);
  const unpacked = path.join(scratch, "unpacked");
  fs.mkdirpSync(unpacked);
  await run(["bsdtar", "-xf", path.join(out, name), "-C", unpacked]);
  t.strictSame(
    filesOf(listTree(unpacked)).toSorted(),
    filesOf(listTree(shared))
      .map((file) => file.replace(/(\/dockroot\.8)$/, "$1.gz"))
      .toSorted(),
  );
  t.strictSame(
    fs.readFileSync(path.join(unpacked, "usr/bin/dockroot")),
    fs.readFileSync(path.join(PROJECT, "dist/dockroot")),
    "not stripped",
  );

  const { root, list } = await makeRoot(
    "arch-root",
    /^var\/(?:lib\/pacman|log|cache)(?:\/|$)|^etc\/ld\.so\.cache$/,
  );
  const pacman = (...args: string[]) =>
    runBesideRoot(
      root,
      ...["pacman", "--noconfirm", "--config", "/dev/null", "--root", root],
      ...["--dbpath", `${root}/var/lib/pacman`, "-dd", ...args],
    );
  fs.mkdirpSync(`${root}/var/lib/pacman`);
  fs.mkdirpSync(`${root}/var/cache/pacman/pkg`);
  const before = list();
  const file = path.join(out, name);
  await pacman("--upgrade", file);
  await installHooks(t, root);
  t.match(await pacman("--upgrade", file), /^Everything is in place/m);
  t.match(
    await pacman("--remove", "dockroot"),
    /^Everything that install did has been undone/m,
  );
  t.strictSame(compareListings(list(), before), []);
});
