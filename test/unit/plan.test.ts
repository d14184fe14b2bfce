import t from "tap";
import { BootError } from "../../runtime/host/errors.ts";
import { parseImageReference } from "../../runtime/image-ref.ts";
import {
  generationNumbers,
  planBoot,
  type BootFacts,
} from "../../runtime/plan.ts";
import { emptyState, rwlayerPaths } from "../../runtime/rwlayer-state.ts";
import { describeStep } from "../../runtime/steps.ts";

const OURS = "11111111-1111-1111-1111-111111111111";
const FOREIGN = "22222222-2222-2222-2222-222222222222";

const facts: BootFacts = {
  reference: parseImageReference("demo"),
  image: {
    id: `sha256:${"ab".repeat(32)}`,
    source: "docker/btrfs/subvolumes/c0ffee",
    layerCount: 2,
    architecture: "amd64",
  },
  storePath: "docker",
  paths: rwlayerPaths("docker_rwlayer"),
  state: emptyState("docker_rwlayer"),
  rwlayer: { kind: "nothing" },
  staging: { kind: "nothing" },
  generations: [],
  topLayer: {
    at: "/run/dockroot/toplevel/boot_docker",
    name: "LABEL=linux:/boot_docker",
    onTopLevel: "boot_docker",
  },
  init: undefined,
  kernelRelease: "6.1.0",
};
const withOurs: BootFacts = {
  ...facts,
  state: {
    ...facts.state,
    subvolumes: [
      {
        uuid: OURS,
        boot: 4,
        source: "docker/btrfs/subvolumes/old",
        image: { reference: "demo:latest", id: "sha256:old" },
      },
    ],
  },
  rwlayer: { kind: "subvolume", uuid: OURS },
};

const words = (given: BootFacts) => planBoot(given).map(describeStep);

function refuses(
  t: { match: typeof import("tap").match; fail: typeof import("tap").fail },
  given: BootFacts,
  reason: RegExp,
) {
  try {
    planBoot(given);
    t.fail("was planned");
  } catch (error) {
    t.match(error instanceof BootError ? error.message : "", reason);
  }
}

t.test("the first start", async (t) => {
  t.strictSame(words(facts), [
    "create the directory .dockroot/docker_rwlayer/generations",
    "snapshot docker/btrfs/subvolumes/c0ffee as .dockroot/docker_rwlayer/staging",
    "copy the top layer LABEL=linux:/boot_docker into .dockroot/docker_rwlayer/staging",
    "check that .dockroot/docker_rwlayer/staging has an init",
    "record .dockroot/docker_rwlayer/staging in the state file",
    "make it durable",
    "put .dockroot/docker_rwlayer/staging in place as docker_rwlayer",
  ]);
});

t.test(
  "the former rwlayer becomes the newest generation once the new one is durable",
  async (t) => {
    t.strictSame(
      words({ ...withOurs, generations: ["1", "10", "9", "x"] }).slice(-3),
      [
        "make it durable",
        "keep the former docker_rwlayer as .dockroot/docker_rwlayer/generations/11",
        "put .dockroot/docker_rwlayer/staging in place as docker_rwlayer",
      ],
    );
  },
);

t.test("starts are counted without a clock", async (t) => {
  const record = planBoot(withOurs).find(
    ({ kind }) => kind === "recordSubvolume",
  );
  t.match(record, { record: { boot: 5, image: { reference: "demo:latest" } } });
});

t.test(
  "an interrupted start is cleaned up before anything else is made",
  async (t) => {
    const steps = words({
      ...facts,
      staging: { kind: "subvolume", uuid: FOREIGN },
    });
    t.match(steps[1], /^delete .*staging/);
    t.match(steps[2], /^snapshot/);
  },
);

t.test("without a top layer nothing is copied", async (t) => {
  t.notOk(
    planBoot({ ...facts, topLayer: undefined }).some(
      ({ kind }) => kind === "copyTopLayer",
    ),
  );
});

t.test("what dockroot did not make is never moved", async (t) => {
  refuses(
    t,
    { ...withOurs, rwlayer: { kind: "subvolume", uuid: FOREIGN } },
    /docker_rwlayer was not made by dockroot/,
  );
  refuses(
    t,
    { ...facts, rwlayer: { kind: "other" } },
    /docker_rwlayer is not a subvolume/,
  );
  refuses(
    t,
    { ...facts, staging: { kind: "other" } },
    /staging is not a subvolume/,
  );
});

t.test("the rwlayer and the store may not lie in each other", async (t) => {
  refuses(
    t,
    { ...facts, paths: rwlayerPaths("docker/rw") },
    /lie in each other/,
  );
  refuses(
    t,
    { ...facts, paths: rwlayerPaths("a"), storePath: "a/docker" },
    /lie in each other/,
  );
  refuses(t, { ...facts, paths: rwlayerPaths("docker") }, /lie in each other/);
  t.ok(planBoot({ ...facts, paths: rwlayerPaths("docker2") }));
});

t.test(
  "a top layer that holds the store or the rwlayer is refused",
  async (t) => {
    const at = (onTopLevel: string): BootFacts => ({
      ...facts,
      topLayer: {
        at: "/x",
        name: "x",
        onTopLevel,
      },
    });
    refuses(t, at(""), /holds docker/);
    refuses(t, at("docker_rwlayer"), /holds docker_rwlayer/);
    refuses(t, at("docker_rwlayer/etc"), /lies in docker_rwlayer/);
    refuses(t, at(".dockroot/mine"), /lies in \.dockroot/);
    refuses(t, { ...at("vm"), storePath: "vm/docker" }, /holds vm\/docker/);
    t.ok(planBoot(at("boot_docker")));
  },
);

t.test("rwlayers of different paths never share a directory", async (t) => {
  t.equal(rwlayerPaths("a/b").directory, ".dockroot/a%2Fb");
  t.equal(rwlayerPaths("a%2Fb").directory, ".dockroot/a%252Fb");
});

t.test("generations are numbers; other names are left out", async (t) => {
  t.same(
    generationNumbers(["10", "9", "1", "01", "-1", "x", "1e3", ""]),
    [1, 9, 10],
  );
});
