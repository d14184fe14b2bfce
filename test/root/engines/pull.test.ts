// runner: tier=first seconds=60 needs=engines
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { findEngineRoots } from "../../../fixtures/cached-debian.ts";
import {
  startDockerEngine,
  type DockerEngine,
} from "../../../fixtures/docker-engine.ts";
import { makePodmanEngine } from "../../../fixtures/podman-engine.ts";
import { startRegistry } from "../../../fixtures/registry.ts";
import { run } from "../../../fixtures/run.ts";
import type { EngineName } from "../../../installer/engines/formats/explain-pull.ts";
import {
  askRegistry,
  pullImage,
  readRepoDigest,
} from "../../../installer/engines/pull.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import {
  goArchitecture,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { makeStoreDisk } from "../store-disk.ts";

const disk = await makeStoreDisk(t, "pull");
const { scratch, top } = disk;
const registry = await disk.startRegistry();
const down = await startRegistry(path.join(scratch, "down"));
await down.stop();
const roots = await findEngineRoots();

/** An engine, as the commands of this system would find it. */
interface Bench {
  readonly name: EngineName;
  readonly host: Host;
  readonly engine: DockerEngine["docker"];
  /** Its directory, relative to the disk's top level. */
  readonly store: string;
  /** Seen by the engine, too. */
  readonly shared: string;
}

t.jobs = 3;
await Promise.all([
  t.test("docker", { buffered: true }, (t) => testDocker(t, "docker")),
  t.test("docker of forky, with containerd", { buffered: true }, (t) =>
    testDocker(t, "forky", roots.forky),
  ),
  t.test("podman", { buffered: true }, testPodman),
]);

async function testDocker(
  t: Test,
  store: string,
  engineRoot?: string,
): Promise<void> {
  const { docker, commandOf, stop } = await startDockerEngine({
    dataRoot: path.join(top, store),
    scratchDir: path.join(scratch, store),
    ...(engineRoot !== undefined && {
      engineRoot,
      directories: [scratch],
      config: { features: { "containerd-snapshotter": true } },
    }),
  });
  t.teardown(stop);
  const host = hostWith("docker", commandOf);
  const shared = path.join(scratch, `${store}-shared`);
  mkdirSync(shared);
  await testEngine(t, {
    ...{ name: "docker", host, engine: docker, store, shared },
  });
  // The root of another release shows no socket that is gone.
  if (engineRoot !== undefined) return;
  await stop();
  const stopped = { code: "ENGINE_STOPPED" };
  const called = { name: "docker", flags: [] } as const;
  await t.rejects(pullImage(host, called, "system:1", ignore), stopped);
  await t.rejects(readRepoDigest(host, called, "system:1"), stopped);
}

async function testPodman(t: Test): Promise<void> {
  const store = "podman";
  const { podman, commandOf, shared } = await makePodmanEngine({
    graphRoot: path.join(top, store),
    scratchDir: path.join(scratch, store),
    registries: [registry, down.address].flatMap((address) => [
      "[[registry]]",
      `location = ${JSON.stringify(address)}`,
      "insecure = true",
    ]),
  });
  const host = hostWith("podman", commandOf);
  await testEngine(t, {
    ...{ name: "podman", host, engine: podman, store, shared },
  });
}

function ignore(): void {
  // Nobody watches.
}

/** This machine, where the engine's program means the one that was started. */
function hostWith(
  name: EngineName,
  commandOf: (args: readonly string[]) => string[],
): Host {
  const host = createHost("/", createLog([]));
  return {
    ...host,
    run: (argv, options) => {
      const at = argv.indexOf(`/usr/bin/${name}`);
      const args = argv.slice(at + 1);
      // docker asks a registry by itself there, and wants TLS.
      const insecure =
        name === "docker" && args[0] === "manifest"
          ? ["manifest", "inspect", "--insecure", ...args.slice(2)]
          : args;
      return host.run([...argv.slice(0, at), ...commandOf(insecure)], options);
    },
  };
}

async function testEngine(t: Test, bench: Bench): Promise<void> {
  const { name, host, engine, store, shared } = bench;
  const called = { name, flags: [] };
  const at = `${registry}/${store}`;
  const reference = `${at}/system:1`;
  const lines: string[] = [];
  const pull = (text: string) =>
    pullImage(host, called, text, (line) => lines.push(line));
  /** Makes an image of a file, under a name. */
  const make = async (text: string, content: string) => {
    const file = path.join(shared, "etc-hostname");
    writeFileSync(file, content);
    await run(["tar", "-C", shared, "-cf", `${file}.tar`, "etc-hostname"]);
    await engine(["import", `${file}.tar`, text]);
  };
  const find = (text: string) =>
    openStore({
      host: createHost("/", createLog([])),
      topLevel: top,
      path: store,
    }).findRoot(parseImageReference(text));

  // Podman 4 cannot tell what a registry has in OCI's format.
  const format = name === "podman" ? ["--format=v2s2"] : [];
  const push = () => engine(["push", ...format, reference]);
  await make(reference, "first");
  await push();
  await engine(["rmi", "--force", reference]);
  t.strictSame(await pull(reference), { kind: "pulled" });
  t.ok(lines.length > 1, "its progress is told");
  t.strictSame(await pull(reference), { kind: "unchanged" });
  const first = find(reference).configId;
  const ask = (text: string) => askRegistry(host, called, text);
  t.match(await ask(reference), { configId: first });
  const digest = await readRepoDigest(host, called, reference);
  t.ok(digest?.startsWith(`${at}/system@sha256:`), String(digest));

  // The registry gets another image of that name, which the engine does not have any more.
  await engine(["tag", reference, `${at}/first:1`]);
  await make(reference, "second");
  const second = find(reference).configId;
  await push();
  await engine(["rmi", "--force", reference]);
  await engine(["tag", `${at}/first:1`, reference]);
  t.equal(find(reference).configId, first);
  const offer = await ask(reference);
  t.equal(offer?.configId, second);
  t.ok((offer?.bytes ?? 0) > 0);
  t.strictSame(await pull(reference), { kind: "pulled" });
  t.equal(find(reference).configId, second);

  await t.rejects(pull(`${at}/nothing:1`), { code: "IMAGE_MISSING" });
  await t.rejects(pull(`${at}/system:2`), { code: "IMAGE_MISSING" });
  t.equal(await readRepoDigest(host, called, `${at}/nothing:1`), null);
  const unreachable = { code: "PULL_FAILED", message: /cannot be reached/ };
  const gone = `${down.address}/system:1`;
  await engine(["tag", reference, gone]);
  await t.rejects(pull(gone), unreachable, "although it is there");
  await t.rejects(ask(gone), unreachable);

  if (name === "podman") {
    await engine(["manifest", "create", "list"]);
    for (const architecture of ["s390x", goArchitecture(host)]) {
      await make(`${architecture}:1`, architecture);
      const image = `containers-storage:localhost/${architecture}:1`;
      await engine([
        "manifest",
        "add",
        `--arch=${architecture}`,
        "list",
        image,
      ]);
    }
    await engine(["manifest", "push", "--all", "list", `${at}/list:1`]);
    const list = `${at}/list:1`;
    t.strictSame(await ask(list), { configId: null, bytes: null });
    await pull(list);
    t.match(await ask(list), { configId: find(list).configId });
  }

  await make(`${at}/here:1`, "built here");
  t.match(await pull(`${at}/here:1`), {
    kind: "local",
    denial: { code: "IMAGE_MISSING" },
  });
  // Docker with containerd does not tell where an image is from.
  if (store === "forky") return;
  await make("own:1", "built here");
  t.strictSame(await pull("own:1"), { kind: "local" }, "none is asked");
  t.equal(await readRepoDigest(host, called, "own:1"), null);
}
