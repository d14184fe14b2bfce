import t from "tap";
import { formatStatus } from "../../../installer/status/formats/format-status.ts";
import type { Status } from "../../../installer/status/formats/status.ts";
import type { Terminal } from "../../../installer/cli/cli-context.ts";
import { freshStatus } from "./status-data.ts";
import { findRawControl } from "../../faults/raw-controls.ts";

const file: Terminal = { columns: undefined, style: (_, text) => text };
/** The status as it goes into a file, as lines. */
const linesOf = (changes: Partial<Status>) =>
  formatStatus({ ...freshStatus, ...changes }, file).split("\n");
const textOf = (changes: Partial<Status>) => linesOf(changes).join("\n");

const IMAGE_OF_NEXT = {
  reference: "demo:next",
  id: `sha256:${"3a".repeat(32)}`,
};
const IMAGE_MISSING = {
  code: "IMAGE_MISSING",
  message: "the image demo:next is not in the store docker",
  causes: ["there is no image of that name"],
  hint: "Correct docker_tag= in the boot menu entry.",
};
const LOG = `dockroot: ${IMAGE_MISSING.message}
  because: there is no image of that name
  what to do: Correct docker_tag= in the boot menu entry.
Nothing was booted.
After boot 4, with dockroot 0.1.0 and the kernel 6.1.0-40-amd64.
Kernel options: root=LABEL=linux
Done before:
  find the root device LABEL=linux (108.4 ms)
`;

t.test("a new root", async (t) => {
  t.strictSame(linesOf({}), [
    "result     fresh: a new root, made from the image",
    "image      demo:latest",
    "ID         sha256:2ae08ae4477a3c55dffebb55dd40463804013ead6630eb37f642e5922d6f7613",
    "rwlayer    docker_rwlayer",
    "made by    boot 5, this one",
    "source     docker/btrfs/subvolumes/2cfd8d85991cfbcf2b95fcba5a9bcdea1e9963c2137908b975eb035af7fa0e3e",
    "top layer  LABEL=linux/boot_docker, 12 files of 34.1 kB",
    "disk       /dev/vda2, UUID=c7042bf1-2c89-441c-88ab-31e005893b89",
    "dockroot   0.1.0",
    "kernel     6.1.0-40-amd64",
    "took       1.28 s",
    "",
    "time per step:",
    "  108.4 ms  ############  find the root device LABEL=linux",
    "   38.5 ms  ####          mount /dev/vda2 at /run/dockroot/toplevel",
    "   20.8 ms  ##            snapshot docker/btrfs/subvolumes/2cfd8d85991c... as...",
    "    0.6 ms                check that .dockroot/docker_rwlayer/staging has an ...",
    "",
    "roots on the disk, * marks the one that booted:",
    "                    boot  image                       exclusive",
    "  * docker_rwlayer  5     demo:latest (2ae08ae4477a)     3.2 MB",
    "    generation 4    4     demo:next (2ae08ae4477a)      16.4 kB",
    "",
  ]);
});

t.test("a root that was kept", async (t) => {
  const [result, , , , maker] = linesOf({ result: "kept", boot: 3 });
  t.equal(
    result,
    "result     kept: the existing root, because the image is the same",
  );
  t.equal(maker, "made by    boot 3");
});

t.test("the deployment that runs, and the next one", async (t) => {
  const next = {
    n: 3,
    image: { ...IMAGE_OF_NEXT, repoDigest: null },
    kernel: "6.12.1-amd64",
  };
  const deployments = {
    ...{ count: 2, bootFileBytes: 98_000_000, next, tries: null, bad: null },
  };
  const lines = linesOf({ deployment: 2, deployments });
  t.strictSame(lines.slice(7, 10), [
    "deployment  2",
    "boots next  deployment 3: demo:next (6.12.1-amd64)",
    "kept        2 deployments, boot files of 98.0 MB",
  ]);
  const other = textOf({ deployments: { ...deployments, next: null } });
  t.match(other, /^boots next  none of the deployments$/m);
});

t.test("a bad deployment, with what its journal has", async (t) => {
  const bad = {
    ...{ n: 3, image: { ...IMAGE_OF_NEXT, repoDigest: null } },
    failure: "it has booted 3 times, and none of these boots was confirmed",
    errors: ["Nov 30 14:54:39 \u001b[2Jnet[7]: no address", "kernel: a panic"],
  };
  const lines = linesOf({
    deployments: {
      ...{ count: 2, bootFileBytes: 98_000_000, next: null, tries: null, bad },
    },
  });
  t.strictSame(lines.slice(1, 6), [
    "WARNING: DEPLOYMENT 3 (demo:next) IS BAD.",
    "it has booted 3 times, and none of these boots was confirmed",
    "The last errors of its last boot:",
    "  Nov 30 14:54:39 \\x1b[2Jnet[7]: no address",
    "  kernel: a panic",
  ]);
});

t.test("a root without the running kernel's modules", async (t) => {
  const lines = linesOf({ hasModules: false });
  t.strictSame(lines.slice(1, 5), [
    "WARNING: THE SYSTEM RUNS WITHOUT MOST OF ITS DRIVERS.",
    "The root has no modules for the running kernel 6.1.0-40-amd64.",
    "",
    "Boot the kernel that is in the image: dockroot upgrade writes its menu entry.",
  ]);
  t.equal(
    lines.at(-2),
    "WARNING: most drivers are missing; the reason is above.",
  );
  const both = textOf({
    ...{ result: "fallback", failure: IMAGE_MISSING, hasModules: false },
  });
  t.match(both, /AN EARLIER ROOT[^]*WITHOUT MOST OF ITS DRIVERS/);
});

t.test("a generation that was asked for", async (t) => {
  const root = ".dockroot/docker_rwlayer/generations/4";
  const [result, ...lines] = linesOf({ result: "generation", root, boot: 4 });
  t.equal(
    result,
    "result      generation: the earlier root that was asked for, unchanged",
  );
  t.strictSame(lines.slice(2, 5), [
    "rwlayer     docker_rwlayer",
    "generation  4",
    "made by     boot 4",
  ]);
});

t.test("a fallback begins and ends with a warning", async (t) => {
  const lines = linesOf({
    ...{ result: "fallback", boot: 4, failure: IMAGE_MISSING },
    restored: ".dockroot/docker_rwlayer/generations/4",
    lastFailure: {
      path: ".dockroot/x/last-failure.log",
      text: LOG,
      isWhole: true,
    },
  });
  t.strictSame(lines.slice(0, 12), [
    "*".repeat(72),
    "WARNING: THIS IS AN EARLIER ROOT.",
    "The root that was asked for could not be made.",
    "This one was .dockroot/docker_rwlayer/generations/4.",
    "",
    "dockroot: the image demo:next is not in the store docker",
    "  because: there is no image of that name",
    "  what to do: Correct docker_tag= in the boot menu entry.",
    "",
    "The next boot tries again, and keeps this root as a generation when it succeeds.",
    "*".repeat(72),
    "",
  ]);
  t.strictSame(lines.slice(-5), [
    "last failure, .dockroot/x/last-failure.log:",
    "  the same as above",
    "",
    "WARNING: this is an earlier root; the reason is above.",
    "",
  ]);
});

t.test("a boot that failed", async (t) => {
  const unknown = { root: null, rwlayer: null, boot: null, image: null };
  t.strictSame(
    linesOf({
      ...{ ...unknown, source: null, toplayer: null, device: null },
      ...{ result: "failed", failure: IMAGE_MISSING, steps: [], roots: null },
    }),
    [
      "*".repeat(72),
      "WARNING: DOCKROOT DID NOT BOOT THIS SYSTEM.",
      "It could not make a root, and the system was started without it.",
      "",
      "dockroot: the image demo:next is not in the store docker",
      "  because: there is no image of that name",
      "  what to do: Correct docker_tag= in the boot menu entry.",
      "",
      "The next boot tries again.",
      "*".repeat(72),
      "",
      "result    FAILED: no root was made",
      "dockroot  0.1.0",
      "kernel    6.1.0-40-amd64",
      "took      1.28 s",
      "",
      "WARNING: dockroot did not boot this system; the reason is above.",
      "",
    ],
  );
});

t.test("a former failure is told as far as it helps", async (t) => {
  const lastFailure = { path: "log", text: LOG, isWhole: true };
  t.strictSame(linesOf({ lastFailure }).slice(-8), [
    "",
    "last failure, log:",
    ...LOG.split("\n")
      .slice(0, 5)
      .map((line) => `  ${line}`),
    "",
  ]);
  const endless = {
    ...lastFailure,
    text: `${"x".repeat(60_000)}\n`.repeat(50),
  };
  const shown = linesOf({ lastFailure: endless });
  t.equal(shown.filter((line) => line.startsWith("  xxx")).length, 12);
  t.ok(shown.every((line) => line.length < 500));
});

t.test("what is unknown, incomplete, unreadable", async (t) => {
  const [root, generation] = freshStatus.roots ?? [];
  if (root === undefined || generation === undefined) throw new Error("roots");
  t.strictSame(
    linesOf({
      ...{ image: null, boot: null, source: null, toplayer: null },
      ...{ totalMs: null, steps: [], warnings: ["the clock is slow"] },
      roots: [
        { ...root, state: "incomplete", size: null },
        {
          ...generation,
          state: "foreign",
          boot: null,
          image: null,
          size: null,
        },
      ],
      unreadable: [
        { what: "sizes", why: "btrfs says no", hint: null },
        { what: "more", why: "that needs root", hint: "sudo dockroot status" },
      ],
    }),
    [
      "result    fresh: a new root, made from the image",
      "image     unknown",
      "ID        unknown",
      "rwlayer   docker_rwlayer",
      "made by   an unknown boot",
      "disk      /dev/vda2, UUID=c7042bf1-2c89-441c-88ab-31e005893b89",
      "dockroot  0.1.0",
      "kernel    6.1.0-40-amd64",
      "",
      "warning: the clock is slow",
      "",
      "roots on the disk, * marks the one that booted:",
      "                    boot  image",
      "  * docker_rwlayer  5     demo:latest (2ae08ae4477a)  incomplete",
      "    generation 4          not made by dockroot",
      "",
      "could not be read:",
      "  sizes: btrfs says no",
      "  more: that needs root",
      "    what to do: sudo dockroot status",
      "",
    ],
  );
});

t.test("no name writes on the terminal", async (t) => {
  const evil = "\u001b[2J\n\u009b31m";
  const [root] = freshStatus.roots ?? [];
  if (root === undefined) throw new Error("roots");
  const image = { reference: evil, id: evil };
  const failure = { code: evil, message: evil, causes: [evil], hint: evil };
  const text = textOf({
    ...{ result: "fallback", image, root: evil, rwlayer: evil, source: evil },
    ...{
      device: evil,
      failure,
      restored: evil,
      warnings: [evil],
      kernel: evil,
    },
    steps: [{ step: evil, durationMs: 1 }],
    roots: [
      { ...root, path: evil, image },
      { ...root, role: "generation", path: `a/${evil}` },
    ],
    lastFailure: {
      path: evil,
      text: `\u001b]0;x\u0007\n${evil}`,
      isWhole: true,
    },
    unreadable: [{ what: evil, why: evil, hint: evil }],
  });
  t.equal(findRawControl(text), undefined);
  t.notMatch(text, /^\\x9b/m, "nor makes a line of its own");
});

t.test("steps are cut to the terminal, and colours are its own", async (t) => {
  const painted: unknown[] = [];
  const style: Terminal["style"] = (format, text) => {
    painted.push([format, text]);
    return text;
  };
  const warnings = ["look"];
  const narrow = formatStatus(
    { ...freshStatus, warnings },
    { columns: 50, style },
  );
  t.match(narrow, /^ {2}108.4 ms {2}#{12} {2}find the root device \.\.\.$/m);
  const wide = formatStatus(freshStatus, { columns: 200, style });
  t.match(wide, /as \.dockroot\/docker_rwlayer\/staging$/m);
  t.strictSame(painted.slice(0, 2), [
    ["yellow", "warning: look"],
    ["bold", "time per step:"],
  ]);
});

t.test("roots that are overlays", async (t) => {
  const [root] = freshStatus.roots ?? [];
  const text = textOf({
    isOverlay: true,
    heldLayers: { count: 12, bytes: 1_234_000_000 },
    roots:
      root === undefined
        ? []
        : [
            {
              ...root,
              size: { referencedBytes: null, exclusiveBytes: 52_000_000 },
            },
          ],
  });
  t.match(
    text,
    /layers +12 held, 1\.2 GB, shared with the engine until it prunes them\n/,
  );
  t.match(text, /image +written\n.* 52\.0 MB$/m);
});
