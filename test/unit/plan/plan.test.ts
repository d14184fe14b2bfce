import t, { type Test } from "tap";
import type { PathState } from "../../../runtime/disk/disk.ts";
import type { BootFacts } from "../../../runtime/plan/facts.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import {
  planGeneration,
  planPresent,
} from "../../../runtime/plan/plan-fallback.ts";
import {
  formatPlan,
  formatPlanAsJson,
} from "../../../runtime/plan/format-plan.ts";
import { chooseOrigin, planBoot } from "../../../runtime/plan/plan.ts";
import {
  emptyState,
  type SubvolumeRecord,
} from "../../../runtime/records/rwlayer-state.ts";
import { rwlayerPaths } from "../../../runtime/options/rwlayer-names.ts";
import { describeStep } from "../../../runtime/plan/steps.ts";

const IMAGE_ID = `sha256:${"ab".repeat(32)}` as const;

const LAYER_UUID = "33333333-3333-3333-3333-333333333333";

const topLayer = {
  ...{ name: "LABEL=linux:/boot_docker", digest: "first", bytes: 9 },
  ...{ files: 1, directories: 1, symlinks: 0, others: 0 },
};

const layer = {
  at: "/run/dockroot/toplevel/boot_docker",
  root: {
    name: "",
    kind: "directory",
    inode: undefined,
    target: undefined,
    hasSpecialBits: false,
    children: [],
    isPlain: true,
  },
  entryCount: 0,
  isOwnerless: false,
} as const;

const merge = {
  actions: [],
  warnings: ["the top layer's socket /s is skipped"],
  counts: {
    files: 1,
    directories: 0,
    symlinks: 0,
    others: 0,
    replaced: 1,
    whiteouts: 0,
    skipped: 1,
  },
};

const facts: BootFacts = {
  device: { path: "/dev/a", fsType: "btrfs", uuid: "u", label: "linux" },
  isReadOnly: false,
  reference: parseImageReference("demo"),
  image: {
    id: IMAGE_ID,
    source: "docker/btrfs/subvolumes/c0ffee",
    configId: IMAGE_ID,
    store: "graphdriver",
    diffIds: [IMAGE_ID, IMAGE_ID],
    architecture: "amd64",
  },
  tree: "/top/docker/btrfs/subvolumes/c0ffee",
  missingLayers: [],
  storePath: "docker",
  paths: rwlayerPaths("docker_rwlayer"),
  state: emptyState("docker_rwlayer"),
  stateDamage: undefined,
  rwlayer: { kind: "nothing" },
  staging: { kind: "nothing" },
  stagingOrigin: undefined,
  generations: [],
  engineArtifacts: [],
  gaps: [],
  topLayer: { layers: [layer], record: topLayer },
  merge,
  modulesFrom: undefined,
  init: undefined,
  kernelRelease: "6.1.0",
  modes: { rwlayerMode: "fresh", topLayerMode: "once" },
};

const record: SubvolumeRecord = {
  uuid: "11111111-1111-1111-1111-111111111111",
  boot: 4,
  complete: true,
  source: "docker/btrfs/subvolumes/old",
  image: { reference: "demo:latest", id: IMAGE_ID },
  toplayer: topLayer,
};

function pathState(
  known: SubvolumeRecord | undefined,
  isUntouched = false,
  parentUuid = LAYER_UUID,
): Extract<PathState, { kind: "subvolume" }> {
  const uuid = known?.uuid ?? "22222222-2222-2222-2222-222222222222";
  return {
    kind: "subvolume",
    subvolume: { uuid, parentUuid, lastChange: isUntouched ? 7 : 8, madeBy: 7 },
    record: known,
    isAdopted: false,
  };
}

const withOurs: BootFacts = {
  ...facts,
  state: { ...facts.state, subvolumes: [record] },
  rwlayer: pathState(record),
};

const words = (given: BootFacts) => planBoot(given).steps.map(describeStep);

function refuses(t: Test, work: () => unknown, reason: RegExp) {
  try {
    work();
    t.fail("was not refused");
  } catch (error) {
    t.match(error instanceof BootError ? error.message : error, reason);
  }
}

t.test("the first boot", async (t) => {
  t.strictSame(words(facts), [
    "create the directory .dockroot/docker_rwlayer/generations",
    "snapshot docker/btrfs/subvolumes/c0ffee as .dockroot/docker_rwlayer/staging",
    "record .dockroot/docker_rwlayer/staging as in the making",
    "copy the top layer LABEL=linux:/boot_docker into .dockroot/docker_rwlayer/staging",
    "check that .dockroot/docker_rwlayer/staging has an init",
    "record .dockroot/docker_rwlayer/staging as complete",
    "make the new root durable",
    "check that .dockroot/docker_rwlayer/staging was not replaced",
    "put .dockroot/docker_rwlayer/staging in place as docker_rwlayer",
    "make the renames durable",
  ]);
  t.strictSame(planBoot(facts).warnings, []);
});

const layers = ["top", "base"].map((key) => ({
  key,
  directory: `docker/overlay2/${key}/diff`,
}));

const ofLayers: BootFacts = {
  ...facts,
  image: { ...facts.image, source: "docker/overlay2/top/diff", layers },
  missingLayers: layers,
};

t.test(
  "an overlay is worked on before it is in place, and mounted there",
  async (t) => {
    t.strictSame(words({ ...ofLayers, staging: { kind: "begun" } }), [
      "create the directory .dockroot/docker_rwlayer/generations",
      "delete .dockroot/docker_rwlayer/staging, left over from an interrupted boot",
      "hold 2 layers of the image in .dockroot/layers",
      "create the directory .dockroot/docker_rwlayer/staging",
      "record .dockroot/docker_rwlayer/staging as in the making",
      "make an upper directory in .dockroot/docker_rwlayer/staging",
      "mount the overlay .dockroot/docker_rwlayer/staging",
      "copy the attributes of the image's / to .dockroot/docker_rwlayer/staging",
      "copy the top layer LABEL=linux:/boot_docker into .dockroot/docker_rwlayer/staging",
      "check that .dockroot/docker_rwlayer/staging has an init",
      "unmount the overlay .dockroot/docker_rwlayer/staging",
      "record .dockroot/docker_rwlayer/staging as complete",
      "make the new root durable",
      "check that .dockroot/docker_rwlayer/staging was not replaced",
      "put .dockroot/docker_rwlayer/staging in place as docker_rwlayer",
      "make the renames durable",
      "mount the overlay docker_rwlayer as root",
    ]);
    t.match(
      planBoot(ofLayers).steps.find(({ kind }) => kind === "recordSubvolume"),
      {
        record: { layers: ["top", "base"], source: "docker/overlay2/top/diff" },
      },
    );
    t.notOk(
      planBoot({ ...ofLayers, missingLayers: [] }).steps.some(
        ({ kind }) => kind === "holdLayers",
      ),
    );
  },
);

t.test(
  "an overlay that is kept is mounted, or made anew of what was written to it",
  async (t) => {
    const kept: BootFacts = {
      ...ofLayers,
      missingLayers: [],
      rwlayer: {
        kind: "root",
        record: {
          ...record,
          image: { ...record.image, id: IMAGE_ID },
          layers: ["top", "base"],
        },
        isAdopted: false,
      },
      modes: { rwlayerMode: "keep", topLayerMode: "always" },
    };
    t.match(
      words({ ...kept, missingLayers: layers.slice(1) })[0],
      "hold 1 layers of the image",
      "the store has what was lost here",
    );
    t.strictSame(words(kept), [
      "mount the overlay docker_rwlayer as root",
      "check that docker_rwlayer has an init",
    ]);
    const changed = { ...topLayer, digest: "changed" };
    t.strictSame(
      words({ ...kept, topLayer: { layers: [layer], record: changed } }).slice(
        1,
        5,
      ),
      [
        "create the directory .dockroot/docker_rwlayer/staging",
        "record .dockroot/docker_rwlayer/staging as in the making",
        "copy what was written to docker_rwlayer into .dockroot/docker_rwlayer/staging",
        "mount the overlay .dockroot/docker_rwlayer/staging",
      ],
    );
  },
);

t.test(
  "the former rwlayer becomes the newest generation once the new one is durable",
  async (t) => {
    t.strictSame(
      words({ ...withOurs, generations: ["1", "10", "9", "x"] }).slice(-5),
      [
        "make the new root durable",
        "check that .dockroot/docker_rwlayer/staging and docker_rwlayer were not replaced",
        "keep the present docker_rwlayer as .dockroot/docker_rwlayer/generations/11",
        "put .dockroot/docker_rwlayer/staging in place as docker_rwlayer",
        "make the renames durable",
      ],
    );
  },
);

t.test("boots are counted without a clock", async (t) => {
  const step = planBoot(withOurs).steps.find(
    ({ kind }) => kind === "recordSubvolume",
  );
  t.match(step, { record: { boot: 5, image: { reference: "demo:latest" } } });
});

t.test("in place of nested subvolumes there are directories", async (t) => {
  const gaps = [{ path: "var/lib/machines", mode: 0o700, uid: 0, gid: 0 }];
  const fresh = planBoot({ ...facts, gaps, engineArtifacts: ["etc/hosts"] });
  const kinds = fresh.steps.map(({ kind }) => kind);
  t.strictSame(kinds.slice(1, 6), [
    ...["snapshot", "recordSubvolume", "fillGaps", "removeLeftOvers"],
    "copyTopLayer",
  ]);
  t.match(words({ ...facts, gaps })[3], /: \/var\/lib\/machines$/);
  const again = planBoot({
    ...withOurs,
    gaps,
    image: { ...facts.image, id: IMAGE_ID },
    topLayer: { layers: [layer], record: { ...topLayer, digest: "changed" } },
    modes: { rwlayerMode: "keep", topLayerMode: "always" },
  });
  t.notOk(
    again.steps.some(({ kind }) => kind === "fillGaps"),
    "a root that is kept has its own subvolumes there",
  );
});

t.test("what an engine left goes from what is made of the image", async (t) => {
  const engineArtifacts = [".dockerenv", "etc/resolv.conf"];
  t.match(
    words({ ...facts, engineArtifacts })[3],
    /^remove .*: \/\.dockerenv, \/etc\/resolv\.conf$/,
  );
  const again = planBoot({
    ...withOurs,
    engineArtifacts,
    image: { ...facts.image, id: IMAGE_ID },
    topLayer: { layers: [layer], record: { ...topLayer, digest: "changed" } },
    modes: { rwlayerMode: "keep", topLayerMode: "always" },
  });
  t.notOk(
    again.steps.some(({ kind }) => kind === "removeLeftOvers"),
    "from a root that is kept nothing does: its user may have made it",
  );
});

t.test(
  "an interrupted boot is cleaned up before anything else is made, and told",
  async (t) => {
    const halfMade = { ...record, complete: false };
    const recorded = { ...facts, staging: pathState(halfMade) };
    const notYetRecorded = {
      ...facts,
      staging: pathState(undefined, true),
      stagingOrigin: "docker/btrfs/subvolumes/c0ffee",
    };
    const ofOurs = {
      ...withOurs,
      staging: pathState(undefined, true, record.uuid),
      stagingOrigin: "docker_rwlayer",
    };
    for (const given of [recorded, notYetRecorded, ofOurs]) {
      t.match(words(given)[1], /^delete .*staging/);
      t.match(words(given)[2], /^snapshot/);
      t.match(planBoot(given).warnings, [/an earlier boot was interrupted/]);
    }
  },
);

t.test("a boot that ended between two renames is told", async (t) => {
  const { rwlayer } = facts;
  t.match(planBoot({ ...withOurs, rwlayer, generations: ["3"] }).warnings, [
    /docker_rwlayer does not exist.*generations\/3/,
  ]);
});

t.test("the merge is a part of the plan, and is told", async (t) => {
  const plan = planBoot(facts);
  t.strictSame(
    plan.steps.find(({ kind }) => kind === "copyTopLayer"),
    {
      kind: "copyTopLayer",
      merge,
      name: topLayer.name,
      to: ".dockroot/docker_rwlayer/staging",
    },
  );
  const planned = { kind: "root", facts, plan } as const;
  t.match(
    formatPlan(planned),
    /^merge {6}files 1, directories 0, symlinks 0, others 0, replaced 1, whiteouts 0, skipped 1\nwarning: the top layer's socket \/s is skipped$/m,
  );
  t.match(JSON.parse(formatPlanAsJson(planned)), {
    warnings: merge.warnings,
    steps: [{}, {}, {}, { from: [layer.at], merge: merge.counts }],
  });
  t.throws(() => planBoot({ ...facts, merge: undefined }));
});

t.test("what becomes of the root that is there is told", async (t) => {
  const line = (given: BootFacts) =>
    /^rwlayer .*$/m.exec(
      formatPlan({ kind: "root", facts: given, plan: planBoot(given) }),
    )?.[0];
  t.equal(line(facts), "rwlayer    docker_rwlayer, made anew");
  t.equal(
    line({ ...withOurs, generations: ["2"] }),
    "rwlayer    docker_rwlayer, made anew; the present one becomes generation 3",
  );
  const kept = { rwlayerMode: "keep", topLayerMode: "always" } as const;
  t.equal(
    line({ ...withOurs, modes: kept }),
    "rwlayer    docker_rwlayer, kept as it is",
  );
  const changed = { layers: [layer], record: { ...topLayer, digest: "new" } };
  t.equal(
    line({ ...withOurs, modes: kept, topLayer: changed }),
    "rwlayer    docker_rwlayer, kept, with the top layer copied again; the present one becomes generation 1",
  );
});

t.test("what a new root is made from", async (t) => {
  const source = { from: facts.image.source };
  t.match(chooseOrigin(withOurs), source);
  const keep = { rwlayerMode: "keep", topLayerMode: "always" } as const;
  t.match(chooseOrigin({ ...facts, modes: keep }), source, "nothing is there");
  t.equal(chooseOrigin({ ...withOurs, modes: keep }), undefined);
  const changed = {
    layers: [layer],
    record: { ...topLayer, digest: "changed" },
  };
  t.match(chooseOrigin({ ...withOurs, modes: keep, topLayer: changed }), {
    from: "docker_rwlayer",
    source: record.source,
  });
  t.equal(
    chooseOrigin({ ...withOurs, modes: keep, topLayer: undefined }),
    undefined,
  );
});

t.test("without a top layer nothing is copied", async (t) => {
  t.notOk(
    planBoot({ ...facts, topLayer: undefined }).steps.some(
      ({ kind }) => kind === "copyTopLayer",
    ),
  );
});

t.test("what dockroot did not make is never moved or deleted", async (t) => {
  const refused = (given: BootFacts, reason: RegExp) => {
    refuses(t, () => planBoot(given), reason);
  };
  refused(
    { ...withOurs, rwlayer: pathState(undefined) },
    /docker_rwlayer was not made by dockroot/,
  );
  refused({ ...facts, rwlayer: { kind: "other" } }, /is not a subvolume/);
  refused({ ...facts, staging: { kind: "other" } }, /is not a root/);
  const written = pathState(undefined, false);
  const untouched = pathState(undefined, true);
  const origin = "docker/btrfs/subvolumes/c0ffee";
  for (const staging of [
    { staging: written, stagingOrigin: origin },
    { staging: untouched, stagingOrigin: undefined },
    { staging: untouched, stagingOrigin: "photos" },
    { staging: untouched, stagingOrigin: "docker2/x" },
    { staging: untouched, stagingOrigin: "docker" },
  ]) {
    refused({ ...facts, ...staging }, /staging cannot be proved/);
  }
});

t.test("what is wrong with the disk is told before the merge", async (t) => {
  const merge = new BootError("TOPLAYER_UNSUITABLE", "it cannot be merged");
  refuses(t, () => planBoot({ ...facts, merge }), /it cannot be merged/);
  refuses(
    t,
    () => planBoot({ ...facts, merge, rwlayer: { kind: "other" } }),
    /is not a subvolume/,
  );
});

t.test("a damaged state file costs nothing but itself", async (t) => {
  const stateDamage = new BootError("FILE_UNREADABLE", "state.json is damaged");
  refuses(
    t,
    () => planBoot({ ...facts, rwlayer: pathState(undefined), stateDamage }),
    /docker_rwlayer cannot be proved to be dockroot's own/,
  );
  refuses(
    t,
    () =>
      planBoot({
        ...facts,
        stateDamage: new BootError("STATE_TOO_NEW", "is newer"),
      }),
    /is newer/,
  );
  const { steps, warnings } = planBoot({ ...facts, stateDamage });
  t.match(steps[1], { kind: "setStateAside" });
  t.match(warnings, [/state\.json is damaged/]);
});

t.test("a disk that takes no writes gets no new root", async (t) => {
  refuses(
    t,
    () => planBoot({ ...facts, isReadOnly: true }),
    /only be mounted read-only/,
  );
});

const keep: BootFacts = {
  ...withOurs,
  modes: { rwlayerMode: "keep", topLayerMode: "once" },
};

t.test("keep: the same image and top layer, the same root", async (t) => {
  const { result, steps, warnings } = planBoot(keep);
  t.equal(result, "kept");
  t.strictSame(steps.map(describeStep), [
    "check that docker_rwlayer has an init",
  ]);
  t.strictSame(warnings, []);
  t.equal(planBoot({ ...keep, isReadOnly: true }).result, "kept");
});

t.test("keep: another image, or a root that is not complete", async (t) => {
  const other = `sha256:${"cd".repeat(32)}` as const;
  const image = { ...keep.image, id: other, configId: other };
  const halfMade = pathState({ ...record, complete: false });
  for (const given of [
    { ...keep, image },
    { ...keep, rwlayer: halfMade },
    { ...keep, rwlayer: facts.rwlayer },
  ]) {
    const { result, steps } = planBoot(given);
    t.equal(result, "fresh");
    t.match(steps[1], { kind: "snapshot", from: keep.image.source });
  }
});

t.test(
  "keep: the same image, which is in containerd's store now",
  async (t) => {
    const id = `sha256:${"cd".repeat(32)}` as const;
    const image = { ...keep.image, id, store: "containerd" as const };
    t.equal(planBoot({ ...keep, image }).result, "kept");
  },
);

t.test("keep: a top layer that has changed", async (t) => {
  const changed = {
    ...keep,
    topLayer: {
      layers: [layer],
      record: { ...topLayer, digest: "second" },
    },
  };
  const once = planBoot(changed);
  t.equal(once.result, "kept");
  t.equal(once.steps.length, 1, "is not copied");
  t.match(once.warnings, [/the top layer has changed/]);

  const modes = { ...keep.modes, topLayerMode: "always" } as const;
  const always = planBoot({ ...changed, modes });
  t.equal(always.result, "kept");
  t.strictSame(always.steps.slice(1, 4).map(describeStep), [
    "snapshot docker_rwlayer as .dockroot/docker_rwlayer/staging",
    "record .dockroot/docker_rwlayer/staging as in the making",
    "snapshot what is nested in docker_rwlayer into .dockroot/docker_rwlayer/staging",
  ]);
  t.match(always.warnings, [/copied again/]);
  t.match(
    always.steps.find(({ kind }) => kind === "recordSubvolume"),
    { record: { source: record.source, toplayer: { digest: "second" } } },
  );

  const gone = planBoot({ ...changed, modes, topLayer: undefined });
  t.equal(gone.steps.length, 1);
  t.match(gone.warnings, [/the files that were copied from it stay/]);
});

const check = { init: undefined, kernelRelease: "6.1.0" };

const halfMade = pathState({ ...record, complete: false });

t.test("fallback: a complete rwlayer of ours stays in place", async (t) => {
  const present = planPresent(withOurs, check);
  t.equal(present?.path, "docker_rwlayer");
  t.strictSame(present?.steps.map(describeStep), [
    "check that docker_rwlayer has an init",
  ]);
  for (const rwlayer of [
    halfMade,
    pathState(undefined),
    { kind: "other" },
    { kind: "nothing" },
  ] as const) {
    t.equal(planPresent({ ...withOurs, rwlayer }, check), undefined);
  }
});

t.test("fallback: a complete generation is put back", async (t) => {
  const plan = (rwlayer: PathState, known: PathState = pathState(record)) =>
    planGeneration(
      { ...withOurs, rwlayer },
      ["1", "2", "4"],
      ".dockroot/docker_rwlayer/generations/2",
      known,
      check,
    );
  t.strictSame(plan({ kind: "nothing" })?.steps.map(describeStep), [
    "check that .dockroot/docker_rwlayer/generations/2 has an init",
    "check that .dockroot/docker_rwlayer/generations/2 was not replaced",
    "put the earlier root .dockroot/docker_rwlayer/generations/2 back as docker_rwlayer",
    "make the renames durable",
  ]);
  for (const ours of [halfMade, pathState(record)]) {
    t.match(
      plan(ours)?.steps[2],
      { kind: "keepAsGeneration", to: /generations\/5$/ },
      "what of ours is there is not lost",
    );
  }
  t.equal(plan(pathState(undefined)), undefined, "not over somebody else's");
  t.equal(plan({ kind: "other" }), undefined);
  for (const known of [
    halfMade,
    pathState(undefined),
    { kind: "other" },
    { kind: "nothing" },
  ] as const) {
    t.equal(plan({ kind: "nothing" }, known), undefined);
  }
});
