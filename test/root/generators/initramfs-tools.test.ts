// runner: tier=first seconds=13 needs=debian
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { initramfsTools } from "../../../installer/generators/initramfs-tools.ts";
import { readAsset } from "../../../installer/system/read-asset.ts";
import {
  makeOverlaySystem,
  type OverlaySystem,
} from "../stores/overlay-system.ts";

const standIn = (name: string) =>
  fs.readFileSync(
    path.join(import.meta.dirname, "initramfs-tools", name),
    "utf8",
  );
const early = [
  "dockroot boot --when /run/dockroot/go",
  "dockroot finish --when /run/dockroot/rooted",
  "devices are there",
];
const shellOpens =
  "panic: dockroot: there is no root to boot. 'exit' tries again, 'reboot -f' restarts.";
/** What becomes of the early boots, the statuses of all boots, and what is then seen of them. */
interface Case {
  readonly statuses: string;
  readonly boots: readonly string[];
  readonly finishes: string;
}
const again = "dockroot finish";
const cases: Record<string, Case> = {
  "": {
    statuses: "0",
    boots: [...early, "boot goes on"],
    finishes: "finish goes on",
  },
  fails: {
    statuses: "1 70 0",
    boots: [
      ...[...early, "boot goes on", shellOpens, "dockroot boot", shellOpens],
      "dockroot boot",
    ],
    finishes: "finish goes on",
  },
  kill: { statuses: "0", boots: [...early, "dockroot boot"], finishes: again },
  "kill both": {
    statuses: "1 0",
    boots: [...early, "dockroot boot", shellOpens, "dockroot boot"],
    finishes: again,
  },
  later: { statuses: "0", boots: [...early, "dockroot boot"], finishes: again },
  full: {
    statuses: "0",
    boots: [...early, "boot goes on"],
    finishes: "finish goes on",
  },
  former: {
    statuses: "0",
    boots: [...early, "boot goes on"],
    finishes: "finish goes on",
  },
  none: { statuses: "0", boots: ["dockroot boot"], finishes: again },
};

for (const shell of ["busybox ash", "dash", "bash"]) {
  for (const [name, { statuses, boots, finishes }] of Object.entries(cases)) {
    await t.test(
      `the scripts of initramfs-tools, for ${shell}, early boot: ${name}`,
      async (t) => {
        const system = installScripts(t);
        system.write("/tmp/statuses", statuses.split(" ").join("\n") + "\n");
        const { exitCode, stdout } = await system.run(
          ...["env", "BOOT=local", "dash", "/tmp/run", shell, name],
        );
        t.equal(exitCode, 0);
        t.same(stdout.split("\n").slice(0, -1), [
          ...[...boots, "root is mounted", finishes],
          // What fails after that keeps no system from starting.
          "dockroot: warning: could not clean up; the system starts anyway",
          "the system starts",
        ]);
      },
    );
  }
}

for (const early of ["", "none"]) {
  await t.test(
    `another root is not started, early boot: ${early}`,
    async (t) => {
      const system = installScripts(t);
      system.write("/tmp/statuses", "0\n");
      system.write("/tmp/other-root", "2\n");
      const { exitCode, stdout } = await system.run(
        ...["env", "BOOT=local", "dash", "/tmp/run", "dash", early],
      );
      t.equal(exitCode, 0);
      const shell =
        "panic: dockroot: another root is mounted. 'exit' tries again, 'reboot -f' restarts.";
      t.same(stdout.replace(/^[^]*root is mounted\n/, "").split("\n"), [
        early === "" ? "finish goes on" : again,
        ...[shell, again, shell, again, "the system starts", ""],
      ]);
    },
  );
}

await t.test(
  "an overlay's disk is checked first, and the overlay is handed on",
  async (t) => {
    const system = installScripts(t);
    system.write("/tmp/statuses", "0\n");
    system.write("/run/dockroot/root/etc/hostname", "pc");
    system.write("/conf/param.conf", "FORMER=kept\n");
    const { exitCode, stdout } = await system.run(
      ...["env", "BOOT=local", "ROOTFLAGS=", "ROOT=LABEL=none", "sh", "-c"],
      "dash /tmp/run dash none && cat /conf/param.conf",
    );
    t.equal(exitCode, 0);
    t.same(stdout.split("\n").slice(0, 3), [
      ...[
        "checkfs: /dev/of-LABEL=none root ",
        "dockroot boot",
        "root is mounted",
      ],
    ]);
    t.match(
      stdout,
      /\nFORMER=kept\nROOT=\/run\/dockroot\/root FSTYPE= ROOTFLAGS="-o bind" fastboot=y\n$/,
    );
  },
);

await t.test("with another BOOT, nothing begins", async (t) => {
  const system = makeOverlaySystem(t, "initramfs-tools");
  system.write(
    "/init-top",
    readAsset("initramfs-tools/scripts/init-top/dockroot"),
  );
  system.write("/usr/bin/dockroot", "#!/bin/sh\necho began", 0o755);
  const { exitCode, stdout } = await system.run(
    ...["env", "BOOT=nfs", "dash", "/init-top"],
  );
  t.same({ exitCode, stdout }, { exitCode: 0, stdout: "" });
});

await t.test(
  "without its scripts there is no initramfs, for it would mount what root there was",
  async (t) => {
    const scripts = ["dockroot-functions", "local-premount/dockroot"];
    for (const missing of scripts) {
      const system = makeOverlaySystem(t, "initramfs-tools-hook");
      system.write("/usr/share/initramfs-tools/hook-functions", "");
      system.write("/tmp/hook", readAsset("initramfs-tools/hooks/dockroot"));
      for (const script of scripts) {
        if (script !== missing)
          system.write(`/tmp/image/scripts/${script}`, "");
      }
      const { exitCode, stdout } = await system.run(
        ...["sh", "-c", "DESTDIR=/tmp/image sh /tmp/hook 2>&1"],
      );
      t.equal(exitCode, 1);
      t.equal(
        stdout,
        `E: dockroot: there is no scripts/${missing}: run dockroot install\n`,
      );
    }
  },
);

/** A system with the scripts of initramfs-tools, where stand-ins are dockroot and init. */
function installScripts(t: Test): OverlaySystem {
  const system = makeOverlaySystem(t, "initramfs-tools");
  for (const { path: file, asset, mode } of initramfsTools.files) {
    // mkinitramfs puts the directory there.
    system.write(
      file.replace("/etc/initramfs-tools/scripts/", "/scripts/"),
      readAsset(asset),
      mode,
    );
  }
  system.write("/usr/bin/dockroot", standIn("dockroot"), 0o755);
  // What initramfs-tools gives a shell by; it may exit.
  system.write(
    "/scripts/functions",
    'panic() { echo "panic: $*"; exit; }\ncheckfs() { echo "checkfs: $*"; }\nresolve_device() { echo "/dev/of-$1"; }',
  );
  system.write("/tmp/run", standIn("run-scripts"));
  return system;
}
