import { copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { addBuiltImage } from "../fixtures/built-image.ts";
import { mountDisk } from "../fixtures/loop-disk.ts";
import { createMachine, type Machine } from "../fixtures/machine.ts";
import type { Progress } from "../fixtures/progress.ts";
import { run } from "../fixtures/run.ts";
import type { Executable } from "./entry.ts";
import { DOCKROOT } from "./start.ts";

const BASELINE = join(import.meta.dirname, "baseline");
/** What every machine here boots: the demo's image with an init that ends the measuring. */
const IMAGE = { repository: "bench-root", tag: "1" };
const PLAIN_ROOT = "plain_root";
const TOP_LAYER = "boot_docker";

/** A machine that is to be measured. */
export interface MeasuredMachine extends Machine {
  readonly name: string;
  readonly cmdline: string;
}

/**
 * Makes one disk and an initramfs for each way to its root: an existing subvolume, the shell script, and
 * each dockroot. All are made by initramfs-tools in the same Debian.
 */
export async function makeMachines(
  scratch: string,
  progress: Progress,
  executables: readonly Executable[],
): Promise<MeasuredMachine[]> {
  const demo = await createMachine(scratch, progress);
  const build = (
    image: string,
    dockerfile: string,
    files: Readonly<Record<string, string>> = {},
  ) =>
    progress(`docker build ${image}`, () =>
      addBuiltImage(demo, scratch, { image, dockerfile, files }),
    );
  await build(
    `${IMAGE.repository}:${IMAGE.tag}`,
    "FROM demo\nCOPY bench-init /sbin/\n",
    { "bench-init": join(BASELINE, "bench-init") },
  );
  const plain = await build(
    "bench-plain:1",
    "FROM debian-pc:bookworm\nRUN update-initramfs -c -k all\n",
  );
  const shell = await build(
    "bench-shell:1",
    "FROM debian-pc:bookworm\nCOPY baseline /usr/lib/baseline\nCOPY initramfs-tools /etc/initramfs-tools\n" +
      "COPY baseline.json /etc/\nRUN update-initramfs -c -k all\n",
    await makeBaselineFiles(scratch),
  );
  const machines = [
    {
      ...{ ...plain, name: "an existing subvolume" },
      cmdline: `root=LABEL=linux rootflags=subvol=${PLAIN_ROOT} rw`,
    },
    { ...shell, name: "shell script", cmdline: dockrootCmdline() },
  ];
  for (const { name, file } of executables) {
    const made =
      file === DOCKROOT.file
        ? demo
        : await build(
            "bench-before:1",
            "FROM debian-pc:bookworm\nCOPY before /usr/bin/dockroot\nRUN dockroot install --image demo\n",
            { before: file },
          );
    machines.push({ ...made, name, cmdline: dockrootCmdline() });
  }
  await progress("an existing subvolume", () =>
    makePlainRoot(demo.disk, join(scratch, "mnt")),
  );
  return machines;
}

function dockrootCmdline(): string {
  return (
    "root=LABEL=linux rootflags=subvol=docker_rwlayer rw docker_path=docker" +
    ` toplayer=LABEL=linux toplayer_path=${TOP_LAYER} docker_image=${IMAGE.repository} docker_tag=${IMAGE.tag}`
  );
}

/** jq brings its libraries and their linker: this system need not be the machine's. */
async function makeBaselineFiles(
  scratch: string,
): Promise<Record<string, string>> {
  const directory = join(scratch, "baseline");
  const bin = join(directory, "bin");
  const libraries = join(directory, "jq");
  await mkdir(bin, { recursive: true });
  await mkdir(libraries);
  await copyFile(
    join(BASELINE, "boot-from-image"),
    join(directory, "boot-from-image"),
  );
  const jq = await run(["sh", "-c", "command -v jq"]);
  const linked = (await run(["ldd", jq])).match(/(?<=\s)\/\S+/g) ?? [];
  for (const file of [jq, ...linked]) {
    await cp(file, join(libraries, basename(file)), { dereference: true });
  }
  const linker = linked.find((file) => basename(file).startsWith("ld-"));
  if (linker === undefined) throw new Error(`${jq} is linked with no linker`);
  const inside = "/usr/lib/baseline/jq";
  await writeFile(
    join(bin, "jq"),
    `#!/bin/sh\nexec ${inside}/${basename(linker)} --library-path ${inside} ${inside}/jq "$@"\n`,
    { mode: 0o755 },
  );
  const config = join(scratch, "baseline.json");
  await writeFile(
    config,
    JSON.stringify({
      docker_image: IMAGE.repository,
      docker_tag: IMAGE.tag,
    }),
  );
  return {
    baseline: directory,
    "baseline.json": config,
    "initramfs-tools": join(BASELINE, "initramfs-tools"),
  };
}

/** What a boot with dockroot makes, made beforehand. */
async function makePlainRoot(disk: string, mountPoint: string): Promise<void> {
  const { close } = await mountDisk(disk, mountPoint);
  try {
    const at = (name: string) => join(mountPoint, name);
    const resolved = JSON.parse(
      await run([
        ...[DOCKROOT.file, "resolve", `${IMAGE.repository}:${IMAGE.tag}`],
        ...["--store-path", at("docker"), "--json"],
      ]),
    ) as { directory: string };
    await run([
      ...["btrfs", "subvolume", "snapshot"],
      ...[resolved.directory, at(PLAIN_ROOT)],
    ]);
    await run(["cp", "-a", `${at(TOP_LAYER)}/.`, at(PLAIN_ROOT)]);
  } finally {
    await close();
  }
}
