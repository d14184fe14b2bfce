import t from "tap";
import type { BootFacts } from "../../../runtime/plan/facts.ts";
import {
  describeFailure,
  formatFailure,
} from "../../../runtime/base/failure.ts";
import {
  formatPlan,
  formatPlanAsJson,
} from "../../../runtime/plan/format-plan.ts";
import {
  BootError,
  HelperError,
  SEE_KERNEL_LOG,
} from "../../../runtime/base/errors.ts";
import { hintFor } from "../../../runtime/base/hints.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import { rwlayerPaths } from "../../../runtime/options/rwlayer-names.ts";
import { findRawControl } from "../../faults/raw-controls.ts";

/** Clears the screen, by two ways, and turns the line around. */
const HOSTILE = "x\u001b[2J\u009b2J\r\u202ey";

t.test("nothing in a failure writes on the console", async (t) => {
  for (const error of [
    new BootError("STEP_FAILED", HOSTILE, {
      hint: HOSTILE,
      cause: new Error(HOSTILE),
    }),
    new TypeError(`${HOSTILE}\n    at ${HOSTILE}:1:1`),
  ]) {
    const text = formatFailure(describeFailure(error));
    t.equal(findRawControl(text), undefined);
    t.match(text, "x\\x1b[2J\\x9b2J\\x0d\\u202ey");
  }
});

t.test("nor does a plan, and its JSON has the names as they are", async (t) => {
  const id = `sha256:${"ab".repeat(32)}` as const;
  const facts = {
    reference: parseImageReference("x"),
    image: { id, source: HOSTILE, diffIds: [id], architecture: undefined },
    paths: rwlayerPaths(HOSTILE),
    topLayer: { at: "/", record: { name: HOSTILE } },
  } as unknown as BootFacts;
  const step = { kind: "snapshot", from: HOSTILE, to: HOSTILE } as const;
  const plan = {
    kind: "root",
    facts,
    plan: { result: "fresh", warnings: [HOSTILE], steps: [step] },
  } as const;
  t.equal(findRawControl(formatPlan(plan)), undefined);
  t.equal(formatPlan(plan).split("\n").length, 8, "a line is a line");
  const json = formatPlanAsJson(plan);
  t.equal(findRawControl(json), undefined);
  t.match(JSON.parse(json), { source: HOSTILE, rwlayer: HOSTILE });
});

t.test("a known reason has a hint of its own", (t) => {
  const helper = (said: string) =>
    new HelperError("exit", `cp exited with status 1: cp: ${said}`);
  const system = (code: string) =>
    Object.assign(new Error(`${code}: refused, open '/x'`), {
      code,
      syscall: "open",
    });
  for (const [error, hint] of [
    [helper("cannot remove '/x': Operation not permitted"), /chattr -i -a/],
    [system("EPERM"), /chattr -i -a/],
    [helper("writing '/x': No space left on device"), /disk is full/],
    [system("EDQUOT"), /disk is full/],
    [helper("cannot create '/x': Read-only file system"), /read-only/],
    [system("EACCES"), /as root/],
    [helper("/x: permission denied."), /as root/],
    [system("ENOEXEC"), /another architecture/],
    [helper("cannot snapshot '/x': Text file busy"), /swap/],
    [helper("/x: target is busy."), /still uses it/],
    [helper("error reading '/x': Input/output error"), /has errors.*dmesg/],
    [
      new HelperError("missing", "btrfs is not in /usr/bin"),
      /^Install it in the image/,
    ],
    [
      new HelperError("start", "cp cannot be started", {
        cause: system("ENOMEM"),
      }),
      /memory/,
    ],
  ] as const) {
    t.match(hintFor(error), hint, error.message);
  }
  t.match(hintFor(system("ELOOP")), /ls -l/, "the kernel says nothing of it");
  t.equal(
    hintFor(helper("'/Operation not permitted': odd")),
    SEE_KERNEL_LOG,
    "a file's name is no reason",
  );
  t.equal(hintFor(helper("odd")), SEE_KERNEL_LOG);
  t.end();
});
