// runner: tier=first seconds=13 needs=engines
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { findEngineRoots } from "../../../fixtures/cached-debian.ts";
import {
  startDockerEngine,
  type DockerEngineOptions,
} from "../../../fixtures/docker-engine.ts";
import { packTree } from "../../../fixtures/images.ts";
import { makePodmanEngine } from "../../../fixtures/podman-engine.ts";
import type { DoctorReport } from "../../../installer/doctor/rules/report.ts";
import type { ResolvedImage } from "../../../installer/system/resolve-image.ts";
import {
  USUAL_DIRECTORIES,
  type Home,
} from "../../../installer/engines/formats/engine-configs.ts";
import { conforms } from "../../conforms.ts";
import type { Outcome } from "../../binary/run-dockroot.ts";
import { newLabel } from "../boot-disk.ts";
import { runInSystem, type PrivateSystem } from "../private-system.ts";
import { makeStoreDisk } from "../store-disk.ts";

// Stores whose layers are directories, written by the engines themselves; then moved to btrfs as the
// messages say.

const label = newLabel();

const { scratch, top } = await makeStoreDisk(t, "unlike-stores", { label });

const shared = path.join(scratch, "shared");

const tar = await makeTar("system", "an init");

const saved = path.join(shared, "image.tar");

await t.test("Docker's overlay2 driver, moved to btrfs", async (t) => {
  const dataRoot = subvolume("docker");
  const options = { dataRoot, scratchDir: path.join(scratch, "docker") };
  await withDocker(
    { ...options, storageDriver: "overlay2" },
    async (docker) => {
      await docker(["import", tar, "system:1"]);
      await docker(["save", "--output", saved, "system:1"]);
    },
  );
  checkRefused(t, { docker: "docker" }, "docker", {
    message: /made by Docker's overlay2 driver;/,
    remedy: /\{ "storage-driver": "btrfs" \}.*; docker load --input image\.tar/,
  });
  await withDocker(options, (docker) => docker(["load", "--input", saved]));
  checkFound(t, { docker: "docker" }, "docker", "graphdriver");

  const other = await makeTar("other", "another init");
  await withDocker(options, (docker) => docker(["import", other, "system:1"]));
  t.match(resolve({ docker: "docker" }), {
    status: 1,
    stderr:
      /^dockroot: cannot find the image system:1 in \/var\/lib\/docker\n {2}because: there are 2 image stores in [^]*what to do: .*--store graphdriver/,
  });
  checkFound(t, { docker: "docker" }, "docker", "graphdriver", [
    "--store",
    "graphdriver",
  ]);
  const warnings = examine({ docker: "docker" }, "docker").findings.filter(
    ({ severity, subject }) => severity === "stops" && subject === "engine",
  );
  t.match(warnings, [{ remedy: /dockroot\.store=graphdriver/ }]);
});

await t.test("containerd's overlayfs, moved to btrfs", async (t) => {
  const { trixie } = await findEngineRoots();
  const features = { "containerd-snapshotter": true };
  const options = {
    dataRoot: subvolume("newer"),
    scratchDir: path.join(scratch, "newer"),
    ...{ engineRoot: trixie, directories: [scratch], config: { features } },
  };
  await withDocker({ ...options, storageDriver: "overlayfs" }, (docker) =>
    docker(["import", tar, "system:1"]),
  );
  checkRefused(t, { docker: "newer" }, "newer", {
    message: /made by containerd's overlayfs snapshotter;/,
    remedy:
      /\{ "features": \{ "containerd-snapshotter": true \}, "storage-driver": "btrfs" \}.*: docker rm \$\(docker create NAME true\)/,
  });
  await withDocker(options, async (docker) => {
    await docker(["import", tar, "unpacked:1"]);
    await docker(["rm", await docker(["create", "system:1", "true"])]);
  });
  checkFound(t, { docker: "newer" }, "newer", "containerd");
});

await t.test("Podman's overlay driver, moved to btrfs", async (t) => {
  const options = {
    graphRoot: subvolume("podman"),
    scratchDir: path.join(scratch, "podman"),
  };
  const former = await makePodmanEngine({
    ...options,
    storageDriver: "overlay",
  });
  await former.podman(["import", tar, "localhost/system:1"]);
  fs.rmSync(saved);
  await former.podman(["save", "--output", saved, "system:1"]);
  checkRefused(t, { podman: "podman" }, "podman", {
    message: /made by Podman's overlay driver;/,
    remedy:
      /podman system reset .*: driver = "btrfs".*; podman load --input image\.tar/,
  });
  await former.podman(["system", "reset", "--force"]);
  if (!fs.existsSync(options.graphRoot)) subvolume("podman");
  const { podman } = await makePodmanEngine(options);
  await podman(["load", "--input", saved]);
  checkFound(t, { podman: "podman" }, "podman", "podman");
});

await t.test("a system with several engines", (t) => {
  const concurrently = { docker: "newer", podman: "podman" };
  t.match(resolve(concurrently), {
    status: 1,
    stderr:
      /because: several image stores have images: \/var\/lib\/docker \(containerd\), \/var\/lib\/containers\/storage \(Podman's btrfs driver\)\n {2}what to do: Choose one: --store-path DIR\.\n/,
  });
  checkFound(t, concurrently, "newer", "podman", ["--store", "podman"]);
  t.match(resolve(concurrently, ["--store", "graphdriver"]), {
    status: 1,
    stderr:
      /because: there is no graphdriver store with images in [^]*what to do: Correct or drop --store graphdriver, /,
  });
  checkFound(t, concurrently, "newer", "containerd", [
    "--docker",
    "/var/lib/docker",
  ]);
  const { stdout } = resolve(concurrently, [], optionsFor("podman"));
  t.equal((JSON.parse(stdout) as ResolvedImage).store, "podman");
  t.end();
});

await t.test("a top layer mounts the store where its engine has it", (t) => {
  const directory = path.join(scratch, "top-layer");
  const { status, stderr } = runInSystem(
    ...([
      path.join(scratch, "system"),
      systemOf({ podman: "podman" }),
    ] as const),
    ...["toplayer", "init", directory, "--yes", "--image", "system:1"],
  );
  t.equal(status, 0, stderr);
  t.match(
    fs.readFileSync(`${directory}/etc/fstab`, "utf8"),
    /: podman pull fetches the system of the next boot\.\nUUID=\S+ {2}\/var\/lib\/containers\/storage {2}btrfs {2}subvol=podman {2}0 {2}0\n$/,
  );
  t.end();
});

/** Which store is mounted at an engine's directory, by its name on the disk. */
type Mounted = Partial<Record<Home, string>>;

function systemOf(mounted: Mounted, cmdline = "quiet"): PrivateSystem {
  return {
    etc: { hostname: "pc\n" },
    ...{ cmdline, boot: subdirectory("boot") },
    mounts: Object.entries(mounted).map(([home, store]) => [
      ...["-o", "bind,X-mount.mkdir", path.join(top, store)],
      USUAL_DIRECTORIES[home as Home],
    ]),
  };
}

function optionsFor(store: string): string {
  return `root=LABEL=${label} rootflags=subvol=docker_rwlayer rw store_path=${store} docker_image=system:1`;
}

/** `dockroot resolve system:1 --json` */
function resolve(
  mounted: Mounted,
  flags: readonly string[] = [],
  cmdline?: string,
): Outcome {
  return runInSystem(
    path.join(scratch, "system"),
    systemOf(mounted, cmdline),
    ...["resolve", "system:1", "--json", ...flags],
  );
}

function examine(mounted: Mounted, store: string): DoctorReport {
  const { stdout, stderr } = runInSystem(
    path.join(scratch, "system"),
    systemOf(mounted, optionsFor(store)),
    ...["doctor", "--json"],
  );
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as DoctorReport;
}

/** No root can be made of its layers, which `resolve` lists, and `doctor` says what to do. */
function checkRefused(
  t: Test,
  mounted: Mounted,
  store: string,
  { message, remedy }: { message: RegExp; remedy: RegExp },
): void {
  const { status, stdout, stderr } = resolve(mounted);
  t.equal(status, 0, stderr);
  const image = JSON.parse(stdout) as ResolvedImage;
  conforms(t, "resolve", image);
  t.equal(image.directory, null);
  t.equal(image.lowers?.length, 1);
  const report = examine(mounted, store);
  conforms(t, "doctor", report);
  const stopping = report.findings.filter(
    ({ severity }) => severity === "stops",
  );
  t.match(stopping, [{ subject: "engine", message, remedy }]);
  t.equal(stopping.length, 1);
}

/** The image is found, a subvolume; before a reboot, too, where nothing chooses among several. */
function checkFound(
  t: Test,
  mounted: Mounted,
  store: string,
  kind: string,
  flags: readonly string[] = [],
): void {
  const { status, stdout, stderr } = resolve(mounted, flags);
  t.equal(status, 0, stderr);
  const image = JSON.parse(stdout) as ResolvedImage;
  conforms(t, "resolve", image);
  t.equal(image.store, kind);
  if (flags.length > 0) return;
  const { findings } = examine(mounted, store);
  t.strictSame(
    findings.filter(
      ({ severity, subject }) =>
        severity === "stops" && ["engine", "image", "disk"].includes(subject),
    ),
    [],
  );
}

async function withDocker(
  options: DockerEngineOptions,
  work: (
    docker: (args: readonly string[]) => Promise<string>,
  ) => Promise<unknown>,
): Promise<void> {
  const { docker, stop } = await startDockerEngine(options);
  t.teardown(stop);
  await work(docker);
  await stop();
}

function subvolume(name: string): string {
  const directory = path.join(top, name);
  execFileSync("btrfs", ["-q", "subvolume", "create", directory]);
  return directory;
}

function subdirectory(name: string): string {
  const directory = path.join(scratch, name);
  fs.mkdirSync(directory, { recursive: true });
  return directory;
}

function makeTar(name: string, init: string): Promise<string> {
  const tree = path.join(shared, name);
  fs.mkdirSync(path.join(tree, "sbin"), { recursive: true });
  fs.writeFileSync(path.join(tree, "sbin/init"), init, { mode: 0o755 });
  return packTree(tree);
}
