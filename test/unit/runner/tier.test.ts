import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { deriveSeed, isWholeTier, sampleSeed } from "../../tier.ts";

/** Sets a variable of the environment until the test ends. */
function set(t: Test, name: string, value: string | undefined): void {
  const { [name]: former } = process.env;
  t.teardown(() => {
    assign(name, former);
  });
  assign(name, value);
}

function assign(name: string, value: string | undefined): void {
  if (value === undefined) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}

t.test("the tier is the first one unless all is asked for", async (t) => {
  for (const [tier, isWhole] of [
    ["all", true],
    ["first", false],
    [undefined, false],
    ["", false],
  ] as const) {
    set(t, "TEST_TIER", tier);
    t.equal(isWholeTier(), isWhole, String(tier));
  }
  set(t, "TEST_TIER", "second");
  t.throws(isWholeTier, { message: /TEST_TIER=second is neither/ });
});

t.test("a seed is a number of 32 bits", async (t) => {
  for (const seed of ["0", "7", "4294967295"]) {
    set(t, "TEST_SEED", seed);
    t.equal(sampleSeed(), Number(seed));
  }
  for (const seed of ["4294967296", "-1", "0x10", "1.5", "x", " 1"]) {
    set(t, "TEST_SEED", seed);
    t.throws(sampleSeed, { message: /^TEST_SEED=/ }, seed);
  }
});

t.test("without a seed it comes from the commit", async (t) => {
  set(t, "TEST_SEED", undefined);
  const project = path.join(import.meta.dirname, "../../..");
  if (existsSync(path.join(project, ".git"))) {
    const commit = execFileSync(
      "git",
      ["-c", "safe.directory=*", "rev-parse", "HEAD"],
      { cwd: project, encoding: "utf8" },
    );
    t.equal(sampleSeed(), deriveSeed(commit));
  } else t.equal(sampleSeed(), 0);
});

t.test("each commit has a seed of its own", async (t) => {
  t.equal(deriveSeed("8dc34310fcd1a790ff81153a86a362c3312e403f\n"), 0x8dc34310);
  t.equal(deriveSeed("ffffffff00000000000000000000000000000000"), 2 ** 32 - 1);
  t.equal(deriveSeed(""), 0);
  for (const name of ["main", "8dc3", "fatal: not a git repository"]) {
    t.throws(() => deriveSeed(name), { message: /is not a commit's name/ });
  }
});
