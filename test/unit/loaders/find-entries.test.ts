import fs from "fs-extra";
import path from "node:path";
import t, { type Test } from "tap";
import { makeCpio } from "../../../fixtures/boot-files.ts";
import { makeUki } from "../../../fixtures/uki.ts";
import { findEntries } from "../../../installer/loaders/find-loaders.ts";
import { nameEntry } from "../../../installer/doctor/rules/finding.ts";
import {
  listInitramfs,
  readKernelVersion,
} from "../../../installer/system/kernels.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

const OPTIONS = "root=LABEL=linux rootflags=subvol=docker_rwlayer";

const uki = {
  ".osrel": 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
  ".cmdline": `${OPTIONS} quiet\n\0`,
  ".uname": "6.12.1-amd64",
  ".linux": "a kernel",
  ".initrd": makeCpio({ "usr/bin/dockroot": "" }),
};

function findIn(
  t: Test,
  files: Readonly<Record<string, string | Buffer>>,
): ReturnType<typeof findEntries> & { host: ReturnType<typeof createHost> } {
  const root = t.testdir({ proc: { self: { mountinfo: "" } } });
  for (const [name, content] of Object.entries(files)) {
    fs.outputFileSync(path.join(root, name), content);
  }
  const host = createHost(root, createLog([]));
  return { ...findEntries(host), host };
}

t.test("a unified kernel image is an entry by itself", async (t) => {
  const { entries, unreadable, host } = findIn(t, {
    "efi/EFI/Linux/debian+3-1.efi": makeUki(uki),
    "boot/EFI/Linux/bare.EFI": makeUki({
      ".linux": "a kernel",
      ".cmdline": "quiet",
    }),
    "efi/EFI/Linux/shell.efi": makeUki({ ".text": "a program" }),
    "efi/EFI/Linux/text.efi": "no program at all",
    "efi/EFI/Linux/empty.efi": "",
  });
  t.strictSame(unreadable, []);
  const shared = { loader: "systemd-boot" as const, isUki: true };
  t.strictSame(entries, [
    {
      title: "Debian GNU/Linux 13 (trixie) (6.12.1-amd64)",
      kernel: "/EFI/Linux/debian+3-1.efi",
      initrds: ["/EFI/Linux/debian+3-1.efi"],
      options: `${OPTIONS} quiet`,
      ...shared,
      file: "/efi/EFI/Linux/debian+3-1.efi",
    },
    {
      title: "bare",
      kernel: "/EFI/Linux/bare.EFI",
      initrds: [],
      options: "quiet",
      ...shared,
      file: "/boot/EFI/Linux/bare.EFI",
    },
  ]);
  t.strictSame(entries.map(nameEntry), [
    'the unified kernel image /efi/EFI/Linux/debian+3-1.efi ("Debian GNU/Linux 13 (trixie) (6.12.1-amd64)")',
    'the unified kernel image /boot/EFI/Linux/bare.EFI ("bare")',
  ]);
  const file = host.path("/efi/EFI/Linux/debian+3-1.efi");
  t.equal(readKernelVersion(host, file, []), "6.12.1-amd64");
  const found = await listInitramfs(host, file);
  t.strictSame(
    found.map(({ path }) => path),
    ["usr/bin/dockroot"],
  );
});

t.test("a unified kernel image that is cut short is told of", async (t) => {
  const whole = makeUki(uki);
  for (const length of [whole.length - 1024, 3000, 1000, 200, 100, 63]) {
    const { entries, unreadable, host } = findIn(t, {
      "efi/EFI/Linux/x.efi": whole.subarray(0, length),
    });
    t.equal(entries.length + unreadable.length <= 1, true);
    const file = host.path("/efi/EFI/Linux/x.efi");
    if (entries.length === 0) continue;
    await t.rejects(listInitramfs(host, file));
  }
});

t.test("rEFInd's configuration may be UTF-16 of either byte order", (t) => {
  const text = `menuentry "Café" {\r\n  loader /boot/vmlinuz\r\n  options "${OPTIONS}"\r\n}\r\n`;
  const little = (written: string) => Buffer.from(written, "utf16le");
  const expected = [
    {
      title: "Café",
      kernel: "/boot/vmlinuz",
      initrds: [],
      options: OPTIONS,
      loader: "refind" as const,
      file: "/efi/EFI/refind/refind.conf",
    },
  ];
  for (const [what, bytes] of Object.entries({
    "UTF-8": Buffer.from(text),
    "UTF-8 with a mark": Buffer.from(`\ufeff${text}`),
    "UTF-16, little endian": little(`\ufeff${text}`),
    "UTF-16, little endian, without a mark": little(text),
    "UTF-16, big endian": little(`\ufeff${text}`).swap16(),
    "UTF-16, big endian, without a mark": little(text).swap16(),
  })) {
    const { entries } = findIn(t, { "efi/EFI/refind/refind.conf": bytes });
    t.strictSame(entries, expected, what);
  }
  const conf = little(`\ufeff"docker" "${OPTIONS}"\n`).swap16();
  const { entries } = findIn(t, { "boot/refind_linux.conf": conf });
  t.match(entries, [{ title: "docker", options: OPTIONS }]);
  t.strictSame(
    findIn(t, { "boot/limine.conf": little(`\ufeff/x\nprotocol: linux\n`) })
      .entries,
    [],
    "no other boot loader reads it",
  );
  t.end();
});
