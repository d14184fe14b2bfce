import t from "tap";
import { formatPackageChanges } from "../../../installer/packages/formats/format-changes.ts";
import {
  comparePackageLists,
  parseApkInstalled,
  parseDpkgStatus,
  parsePacmanNames,
  parseRpmList,
} from "../../../installer/packages/formats/package-lists.ts";

t.test("dpkg's status, with packages that are removed", (t) => {
  // /var/lib/dpkg/status of dpkg 1.21.22, shortened to three packages; the third was removed there.
  const status = `Package: acl
Status: install ok installed
Priority: optional
Multi-Arch: foreign
Version: 2.3.1-3
Depends: libacl1 (= 2.3.1-3), libc6 (>= 2.34)
Description: access control list - utilities
 This package contains the getfacl and setfacl utilities needed for
 .
 Version: 9

Package: libc6
Status: hold ok installed
Architecture: i386
Version: 2.36-9+deb12u10

Package: nano
Status: deinstall ok config-files
Version: 7.2-1+deb12u1
Config-Version: 7.2-1+deb12u1
`;
  t.strictSame(parseDpkgStatus(status), [
    { name: "acl", version: "2.3.1-3" },
    { name: "libc6", version: "2.36-9+deb12u10" },
  ]);
  t.strictSame(
    parseDpkgStatus("Package: base-files\nVersion: 12.4\nArchitecture: amd64"),
    [{ name: "base-files", version: "12.4" }],
    "a file of status.d has no state",
  );
  t.strictSame(parseDpkgStatus("d41d8cd9  ./etc/x\n"), [], "its checksums");
  t.end();
});

t.test("apk's database", (t) => {
  const installed = `C:Q1VFG2SuJdASGlXwlXF3975TbbpQU=
P:musl
V:1.2.5-r9
A:x86_64
T:the musl c library (libc) implementation
F:lib
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q17yJ3JFNypA4mxhJJr0ou6CzsJVI=

C:Q1v4QhLje3kWlC8DJj+ZfJTjlJRSU=
P:linux-lts
V:6.12.13-r0

`;
  t.strictSame(parseApkInstalled(installed), [
    { name: "musl", version: "1.2.5-r9" },
    { name: "linux-lts", version: "6.12.13-r0" },
  ]);
  t.end();
});

t.test("pacman's directories", (t) => {
  t.strictSame(
    parsePacmanNames([
      ...["ALPM_DB_VERSION", "linux-6.12.1.arch1-1"],
      ...["grub-2:2.12-3", "lib32-glibc-2.40+r16+gaa533d58ff-2"],
    ]),
    [
      { name: "linux", version: "6.12.1.arch1-1" },
      { name: "grub", version: "2:2.12-3" },
      { name: "lib32-glibc", version: "2.40+r16+gaa533d58ff-2" },
    ],
  );
  t.end();
});

t.test("what rpm prints, without the keys of its packages", (t) => {
  t.strictSame(
    parseRpmList("kernel 6.9.4-200.fc40\ngpg-pubkey a15b79cc-63d04c2c\n"),
    [{ name: "kernel", version: "6.9.4-200.fc40" }],
  );
  t.end();
});

t.test("what comes, goes and changes", (t) => {
  const changes = comparePackageLists(
    [
      { name: "same", version: "1" },
      { name: "gone", version: "1" },
      { name: "kernel", version: "1" },
      { name: "two-architectures", version: "1" },
    ],
    [
      { name: "two-architectures", version: "1" },
      { name: "two-architectures", version: "1" },
      { name: "kernel", version: "2" },
      { name: "kernel", version: "1" },
      { name: "same", version: "1" },
      { name: "new", version: "1" },
    ],
  );
  t.strictSame(changes, {
    added: [{ name: "new", version: "1" }],
    removed: [{ name: "gone", version: "1" }],
    changed: [{ name: "kernel", from: "1", to: "1, 2" }],
  });
  t.end();
});

/** As a terminal shows it. */
function show(
  changes: Omit<Parameters<typeof formatPackageChanges>[0], "manager">,
): string {
  return formatPackageChanges({ manager: "dpkg", ...changes })
    .map(({ text }) => text)
    .join("\n");
}

t.test("changes for people: the kernel first, no more than 20", (t) => {
  t.equal(
    show({
      added: [{ name: "zsh", version: "5.9-4" }],
      removed: [],
      changed: [
        { name: "bash", from: "5.2.15-2", to: "5.2.21-2" },
        { name: "linux-image-amd64", from: "6.1.170-1", to: "6.1.176-1" },
      ],
    }),
    `2 packages change, 1 comes:
     linux-image-amd64  6.1.170-1 -> 6.1.176-1
     bash               5.2.15-2 -> 5.2.21-2
  +  zsh                5.9-4`,
  );
  const many = Array.from({ length: 30 }, (_, n) => ({
    name: `lib${String(n)}`,
    version: "1".repeat(5000),
  }));
  const lines = show({ added: [], removed: many, changed: [] }).split("\n");
  t.equal(lines.length, 22);
  t.equal(lines[0], "30 packages go:");
  t.equal(lines.at(-1), "  and 10 more");
  t.ok(lines.every((line) => line.length < 80));
  t.equal(show({ added: [], removed: [], changed: [] }), "No package changes.");
  t.end();
});
