import t from "tap";
import {
  chooseRollback,
  collect,
  removeOne,
} from "../../../installer/deploy/change-deployments.ts";
import {
  bootNext,
  bringIn,
  chooseRetired,
  confirm,
  findBad,
  findDeployment,
  findProtected,
  giveBack,
  inMenu,
  listRemovable,
  nameDeployment,
  noteBoots,
  noteCounted,
} from "../../../installer/deploy/plan/deployments.ts";
import {
  formatChange,
  formatDeployments,
} from "../../../installer/deploy/plan/format-deployments.ts";
import {
  noDeployments,
  parseDeployments,
  type Deployment,
  type Deployments,
} from "../../../runtime/records/deployments.ts";
import { countTry } from "../../../runtime/plan/count-try.ts";
import { fails } from "../fails.ts";

type Change = Partial<Deployment>;

/** A menu that cannot be seen. */
const SEEN = { once: undefined, isCounted: undefined };

function deployment(n: number, change: Change = {}): Deployment {
  const hex = String(n).padStart(64, "0");
  return {
    n,
    image: { reference: "system:1", id: `sha256:${hex}`, repoDigest: null },
    kernel: {
      release: `6.1.${String(n)}`,
      digest: hex,
      files: ["linux", "initrd"],
      bytes: 1000,
    },
    options: "quiet",
    state: "good",
    tries: null,
    isPinned: false,
    failure: null,
    ...change,
  };
}

/** Deployments 1 to n, of which the last one boots next. */
function stateOf(...changes: readonly Change[]): Deployments {
  const deployments = changes.map((change, index) =>
    deployment(index + 1, change),
  );
  const last = deployments.length;
  return { ...noDeployments("rw"), next: last, last, deployments };
}

const numbers = (of: readonly Deployment[]) => of.map(({ n }) => n);

t.test("what is needed stays, whatever room is missing", (t) => {
  const state = stateOf({}, { isPinned: true }, {}, {}, { state: "candidate" });
  t.strictSame([...findProtected(state, 3)].sort(), [2, 3, 4, 5]);
  t.strictSame(numbers(listRemovable(state, 3)), [1]);
  t.end();
});

t.test("what is bad goes before what is old", (t) => {
  const state = stateOf({}, {}, { state: "bad" }, {}, {});
  t.strictSame(numbers(listRemovable(state, 5)), [3, 1, 2]);
  t.end();
});

t.test("what is past the limit goes, the oldest first", (t) => {
  t.strictSame(numbers(chooseRetired(stateOf({}, {}, {}), 3)), []);
  t.strictSame(numbers(chooseRetired(stateOf({}, {}, {}, {}, {}), 5)), [1, 2]);
  const pinned = stateOf({ isPinned: true }, {}, {}, {}, {});
  t.strictSame(numbers(chooseRetired(pinned, 5)), [2, 3]);
  t.end();
});

t.test("what is half made, or half removed, has no entry", (t) => {
  const state = stateOf({ state: "retired" }, {}, { state: "staged" });
  t.strictSame(numbers(inMenu(state)), [2]);
  t.end();
});

t.test("back: to what runs, where what is next has not booted", (t) => {
  const state = stateOf({}, {}, { state: "candidate" });
  t.equal(chooseRollback(state, 2).n, 2);
  t.end();
});

t.test("back: to the one before that has booted", (t) => {
  t.equal(chooseRollback(stateOf({}, { state: "bad" }, {}), 3).n, 1);
  fails(
    t,
    () => chooseRollback(stateOf({}), 1),
    "DEPLOYMENT_MISSING",
    /there is no earlier deployment that has booted/,
  );
  t.end();
});

t.test("what runs, boots next or is pinned is not removed", (t) => {
  const state = stateOf({ isPinned: true }, {}, {}, {});
  for (const n of [1, 2, 4]) {
    t.throws(() => removeOne(state, n, 2), { code: "DEPLOYMENT_IN_USE" });
  }
  t.strictSame(numbers(inMenu(removeOne(state, 3, 2))), [1, 2, 4]);
  t.throws(() => removeOne(state, 9, 2), { code: "DEPLOYMENT_MISSING" });
  t.end();
});

t.test("a candidate that never booted goes for the next one", (t) => {
  const state = stateOf(
    {},
    { state: "candidate" },
    { state: "candidate", isPinned: true },
    { state: "candidate" },
    { state: "staged" },
  );
  const after = bringIn(state, 5, 2, null);
  t.equal(after.next, 5);
  t.strictSame(
    after.deployments.map(({ state: own }) => own),
    ["good", "candidate", "candidate", "retired", "candidate"],
  );
  t.end();
});

t.test("gc removes what is bad, and what is past the limit", (t) => {
  const state = stateOf({}, { state: "bad" }, {}, {}, {});
  t.strictSame(numbers(inMenu(collect(state, 5))), [3, 4, 5]);
  t.end();
});

t.test("a state that could lead elsewhere is refused", (t) => {
  const text = (change: Change) => JSON.stringify(stateOf(change));
  t.strictSame(parseDeployments(text({})), stateOf({}));
  const { kernel, image } = deployment(1);
  for (const change of [
    { kernel: { ...kernel, digest: "../../etc" } },
    { kernel: { ...kernel, files: ["../linux"] } },
    { image: { ...image, id: "sha256:../.." } },
  ]) {
    t.throws(() => parseDeployments(text(change)), { code: "FILE_UNREADABLE" });
  }
  t.throws(() => parseDeployments('{ "version": 2 }'), {
    code: "STATE_TOO_NEW",
  });
  t.throws(() => parseDeployments("{"), { code: "FILE_UNREADABLE" });
  t.end();
});

function listed(): Deployments {
  const of = (release: string) => ({
    kernel: { ...deployment(1).kernel, release },
  });
  const state = stateOf(
    of("6.1.0-50-cloud-amd64"),
    { ...of("6.12.117+deb13-cloud-amd64"), state: "candidate" },
    { state: "bad", failure: "it did not boot" },
  );
  return { ...state, next: 2 };
}

t.test("the deployments are a table", (t) => {
  const state = listed();
  for (const columns of [undefined, 200]) {
    t.equal(
      formatDeployments(state, 1, SEEN, columns),
      `                          image     ID            kernel                      boot files
3  bad                    system:1  000000000000  6.1.3                           1.0 kB  it did not boot
2  boots next, candidate  system:1  000000000000  6.12.117+deb13-cloud-amd64      1.0 kB
1  runs                   system:1  000000000000  6.1.0-50-cloud-amd64            1.0 kB
`,
    );
  }
  t.end();
});

t.test("one that boots once is told before what boots by itself", (t) => {
  const state = listed();
  t.match(
    formatDeployments(state, 2, { ...SEEN, once: 1 }, undefined),
    /^2 {2}runs, boots after that, candidate .*\n1 {2}boots next, once /m,
  );
  const name = (n: number) => {
    const found = findDeployment(state, n);
    return found === undefined ? "" : nameDeployment(found);
  };
  const tell = (before: number | undefined, after: number | undefined) =>
    formatChange(
      { before: state, after: state, once: { before, after } },
      false,
    );
  t.equal(
    tell(undefined, 1),
    `boots next so far: ${name(2)}\nboots next, once: ${name(1)}\nand after that: ${name(2)}\n`,
  );
  t.equal(
    tell(1, 1),
    `boots next, once: ${name(1)}\nand after that: ${name(2)}\n`,
  );
  t.equal(
    tell(1, undefined),
    `boots next so far: ${name(1)}\nboots next from now on: ${name(2)}\n`,
  );
  t.end();
});

t.test("each has two lines on a terminal that is narrower", (t) => {
  const state = listed();
  t.equal(
    formatDeployments(state, 1, SEEN, 80),
    `3  system:1  bad
   6.1.3, boot files 1.0 kB, ID 000000000000
   it did not boot
2  system:1  boots next, candidate
   6.12.117+deb13-cloud-amd64, boot files 1.0 kB, ID 000000000000
1  system:1  runs
   6.1.0-50-cloud-amd64, boot files 1.0 kB, ID 000000000000
`,
  );
  t.end();
});

const counted = (left: number, done: number): Change => ({
  state: "candidate",
  tries: { left, done },
});

t.test("a candidate whose kernel nobody counts is told of", (t) => {
  const last = (change: Partial<Deployments>, isCounted = false) =>
    formatDeployments(
      { ...stateOf({}, counted(3, 0)), next: 2, ...change },
      1,
      { once: undefined, isCounted },
      80,
    )
      .trimEnd()
      .split("\n")
      .at(-1);
  const told = /^GRUB does not count boots: .* of deployment 2 dies/;
  t.match(last({ loader: "grub" }), told);
  t.notMatch(last({ loader: "grub" }, true), told);
  t.notMatch(last({ loader: "grub", next: 1 }), told);
  t.match(last({ loader: "refind" }), /^rEFInd does not count/);
  for (const loader of ["systemd-boot", "efistub"]) {
    t.notMatch(last({ loader }), "does not count");
  }
  t.end();
});

t.test("what runs is good, unless its boots are counted", (t) => {
  const states = (state: Deployments) =>
    state.deployments.map(({ state }) => state);
  t.strictSame(states(noteBoots(stateOf({ state: "candidate" }), 1)), ["good"]);
  t.strictSame(states(noteBoots(stateOf(counted(2, 1)), 1)), ["candidate"]);
  t.strictSame(states(confirm(stateOf(counted(2, 1)), 1)), ["good"]);
  const newer = stateOf({}, counted(2, 1), counted(3, 0));
  t.equal(confirm({ ...newer, fallback: 1 }, 2).fallback, 2);
  t.end();
});

t.test("where what boots next is bad, the one does that ran before it", (t) => {
  const state = stateOf({}, {}, { state: "bad" });
  t.equal(noteBoots({ ...state, fallback: 1 }, 1).next, 1);
  t.equal(noteBoots(state, 1).next, 2, "or the newest good one");
  t.equal(noteBoots(stateOf({ state: "bad" }), 1).next, 1, "or none at all");
  t.end();
});

t.test("what is bad is told of where another one boots in its place", (t) => {
  const bad: Change = { state: "bad", failure: "it hung" };
  const found = (state: Deployments, running: number) =>
    findBad(state, running)?.n;
  const former = { ...stateOf({}, bad, {}), next: 3, fallback: 1 };
  t.equal(found(former, 1), 2, "an earlier one runs");
  t.equal(found(former, 3), undefined, "a newer one has been good since");
  const again = bootNext(former, deployment(2), 3);
  t.match(again.deployments[1], { state: "candidate" });
  t.equal(found(again, 3), undefined, "it is tried anew");
  const { deployments } = former;
  const failed = { ...again, deployments };
  t.equal(found(failed, 3), 2, "before the menu is right");
  const noted = noteBoots(failed, 3);
  t.equal(noted.next, 3);
  t.equal(found(noted, 3), 2, "and then");
  t.strictSame(parseDeployments(JSON.stringify(noted)), noted);
  t.equal(found(bootNext(noted, deployment(1), 3), 3), undefined);
  const newer = bringIn(
    { ...noted, deployments: [...deployments, deployment(4)] },
    ...([4, 3, null] as const),
  );
  t.equal(found(newer, 3), undefined);
  t.end();
});

t.test("the boot loader counts what dies before dockroot begins", (t) => {
  const state = stateOf({}, counted(3, 0));
  const note = (left: number, done: number, running: number) =>
    noteCounted(state, [{ n: 2, tries: { left, done } }], running)
      .deployments[1];
  t.match(note(1, 2, 1), { state: "candidate", tries: { left: 1, done: 2 } });
  t.match(note(0, 3, 1), { state: "bad", failure: /started it 3 times/ });
  t.match(note(0, 3, 2), { state: "candidate", tries: { left: 0, done: 3 } });
  t.strictSame(noteCounted(state, [{ n: 2, tries: null }], 1), state);
  t.end();
});

t.test("a try is given back, and not for ever", (t) => {
  let state = stateOf(counted(2, 1));
  state = giveBack(state, 1);
  t.match(state.deployments[0], { tries: { left: 3, done: 1 } });
  t.strictSame(giveBack(stateOf(counted(2, 10)), 1), stateOf(counted(2, 10)));
  t.strictSame(giveBack(stateOf({}), 1), stateOf({}));
  t.end();
});

t.test("a bad one boots where it is chosen, not by itself", (t) => {
  const bad: Change = { state: "bad", failure: "it hung" };
  const state = stateOf({}, bad);
  t.equal(countTry(state, 2).givenUp?.n, 2, "the menu starts it");
  const changed = { ...state, next: 1 };
  t.equal(countTry(changed, 2).givenUp, undefined, "somebody has chosen it");
  // The power may fail before the menu is written.
  t.equal(countTry({ ...changed, formerNext: 2 }, 2).givenUp?.n, 2);
  t.end();
});
