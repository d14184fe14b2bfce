import fs from "node:fs";
import path from "node:path";
import t from "tap";
import {
  parseDockerManifest,
  parseManifest,
  parseShownImage,
} from "../../../installer/engines/formats/engine-answers.ts";
import {
  explainPull,
  type EngineName,
} from "../../../installer/engines/formats/explain-pull.ts";
import type { Home } from "../../../installer/engines/formats/engine-configs.ts";
import { findEngine } from "../../../installer/engines/pull.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import type { StoreKind } from "../../../runtime/options/table.ts";

interface Captured {
  readonly what: string;
  readonly args: readonly string[];
  readonly isOk: boolean;
  readonly lines: readonly string[];
}

/** What each failure of a pull means, by its name in fixtures/capture-pulls.ts. */
const MEANINGS: Readonly<
  Record<string, { code: string; kind?: RegExp; message: RegExp }>
> = {
  "no such tag": {
    code: "IMAGE_MISSING",
    kind: /^missing$/,
    message: /the registry has no image .*:2$/,
  },
  "no such repository": {
    code: "IMAGE_MISSING",
    kind: /^missing$/,
    message: /the registry has no image .*nothing:1$/,
  },
  "no such architecture": {
    code: "IMAGE_MISSING",
    message: /is not made for this machine's architecture/,
  },
  "registry down": { code: "PULL_FAILED", message: /cannot be reached/ },
  "no such registry": { code: "PULL_FAILED", message: /cannot be reached/ },
  "registry broken": { code: "PULL_FAILED", message: /cannot be reached/ },
  "not logged in": { code: "PULL_FAILED", message: /refuses|not logged in/ },
  "absent or private": {
    code: "PULL_FAILED",
    kind: /^hidden$/,
    message: /or hides it from those who are not logged in/,
  },
  limited: { code: "PULL_FAILED", message: /limits how many images/ },
  certificate: { code: "PULL_FAILED", message: /is not trusted here/ },
  "no TLS": { code: "PULL_FAILED", message: /is not trusted here/ },
  "disk full": { code: "PULL_FAILED", message: /the disk is too full/ },
  "engine stopped": { code: "ENGINE_STOPPED", message: /is not running/ },
};

const captured =
  process.env.CAP ??
  path.join(import.meta.dirname, "../../../fixtures/captured/pulls");

function readCases(file: string): Captured[] {
  return JSON.parse(
    fs.readFileSync(path.join(captured, file), "utf8"),
  ) as Captured[];
}

/** What an engine answered by the names of cases; `undefined` where it failed. */
function readAnswers(file: string): (what: string) => string | undefined {
  const answers = readCases(file)
    .filter(({ isOk }) => isOk)
    // Podman warns that a manifest is no list.
    .map(({ what, lines }): [string, string] => [
      what,
      lines.filter((line) => !line.startsWith("time=")).join("\n"),
    ]);
  return (what) => new Map(answers).get(what);
}

for (const file of fs.readdirSync(captured)) {
  const [engine] = file.split("-") as [EngineName];
  t.test(`what ${file} says`, (t) => {
    for (const { what, args, isOk, lines } of readCases(file)) {
      const [command] = args;
      const text = args.at(-1) ?? "";
      const said = lines.join("\n");
      const meaning = MEANINGS[what];
      if (command !== "pull") continue;
      t.equal(isOk, meaning === undefined, what);
      if (meaning === undefined) continue;
      const { error, kind } = explainPull(engine, text, said);
      t.equal(error.code, meaning.code, what);
      t.match(error.message, meaning.message, what);
      t.match(kind, meaning.kind ?? /^other$/, what);
      t.ok(error.hint, what);
      t.ok(error.cause, what);
    }
    t.end();
  });
}

t.test("an image that a registry offers is told by its configuration", (t) => {
  for (const file of fs.readdirSync(captured)) {
    const [engine] = file.split("-") as [EngineName];
    const said = readAnswers(file);
    const parse = engine === "docker" ? parseDockerManifest : parseManifest;
    const shown = parseShownImage(said("image") ?? "");
    t.ok(shown?.RepoDigests[0]?.includes("/system@sha256:"), file);
    const offered = parse(said("manifest") ?? "", "amd64");
    // Podman 5 does not show the manifest of an image that is alone.
    t.equal(typeof offered, file < "podman-5" ? "object" : "undefined", file);
    // With containerd, an image's ID is the digest of its manifest.
    if (typeof offered === "object" && !file.includes("containerd")) {
      t.ok(offered.configId?.endsWith(shown?.Id ?? "none"), file);
      t.ok((offered.bytes ?? 0) > 0, file);
    }
    const list = said("manifest list") ?? "";
    const [amd64, s390x] = ["amd64", "s390x"].map((each) => parse(list, each));
    t.ok(amd64, file);
    t.ok(s390x, file);
    t.notSame(amd64, s390x, file);
    t.equal(parse(list, "riscv64"), undefined, file);
  }
  t.equal(parseDockerManifest("no such manifest: x", "amd64"), undefined);
  t.equal(parseManifest("[]", "amd64"), undefined);
  t.equal(parseShownImage("[]"), undefined);
  t.end();
});

t.test("the engine is the one that keeps its images in the store", (t) => {
  const root = t.testdir({ usr: { bin: {}, local: { bin: {} } } });
  const host = createHost(root, createLog([]));
  const find = (home: Home, kind?: StoreKind) =>
    findEngine(host, { home, kind, isOverlay: false })?.name;
  t.equal(find("docker"), undefined, "none is installed");
  fs.writeFileSync(path.join(root, "usr/local/bin/nerdctl"), "");
  t.equal(find("docker"), undefined);
  t.equal(find("containerd"), "nerdctl");
  for (const name of ["docker", "podman"]) {
    fs.writeFileSync(path.join(root, "usr/bin", name), "");
  }
  t.equal(find("docker"), "docker");
  t.equal(find("docker", "containerd"), "docker");
  t.equal(find("containerd", "containerd"), "docker", "Docker uses it");
  t.equal(find("podman", "podman"), "podman");
  t.end();
});

t.test("nerdctl pulls into what roots are made of", (t) => {
  const root = t.testdir({ usr: { bin: { nerdctl: "" } } });
  const host = createHost(root, createLog([]));
  const store = { home: "containerd", kind: undefined } as const;
  for (const [isOverlay, snapshotter] of [
    [false, "btrfs"],
    [true, "overlayfs"],
  ] as const) {
    t.strictSame(findEngine(host, { ...store, isOverlay }), {
      name: "nerdctl",
      flags: ["--namespace", "moby", "--snapshotter", snapshotter],
    });
  }
  t.end();
});
