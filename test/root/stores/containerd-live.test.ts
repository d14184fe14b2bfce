// runner: tier=first seconds=3
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import t from "tap";
import { makeOciImage, writeOciLayout } from "../../../fixtures/oci-image.ts";
import { startContainerd } from "../../../fixtures/system-containerd.ts";
import {
  goArchitecture,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";
import { BootError } from "../../../runtime/base/errors.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { openStore } from "../../../runtime/stores/open-store.ts";
import { makeStoreDisk } from "../store-disk.ts";

// Looks up images in the store of a containerd that is writing to it all the while.

const REPOSITORY = "docker.io/library";

const MIN_ROUNDS = 40;

const MIN_FOUND = 1000;

/** Names that come and go, and one that is now this image, now the other; until there is a file STOP. */
const LOAD = `round=0
until [ -e "$STOP" ] && [ $round -ge ${String(MIN_ROUNDS)} ]; do
  round=$((round + 1))
  ctr images tag --force ${REPOSITORY}/one:1 ${REPOSITORY}/flip:1
  ctr images tag ${REPOSITORY}/one:1 ${REPOSITORY}/churn:$round
  ctr images tag --force ${REPOSITORY}/two:1 ${REPOSITORY}/flip:1
  ctr images rm ${REPOSITORY}/churn:$round
done`;

await t.test("images are found while containerd writes", async (t) => {
  const { scratch, top } = await makeStoreDisk(t, "containerd-live");
  const {
    ctr,
    env,
    stop: stopDaemon,
  } = await startContainerd(path.join(top, "containerd"));
  t.teardown(stopDaemon);
  const host = createHost("/", createLog([]));
  const images = await Promise.all(
    ["one", "two"].map(async (name) => {
      const tree = path.join(scratch, name);
      await mkdir(tree);
      await writeFile(path.join(tree, "name"), name);
      const image = await makeOciImage([tree], goArchitecture(host));
      return { image, names: [`${REPOSITORY}/${name}:1`] };
    }),
  );
  const tar = path.join(scratch, "images.tar");
  await writeOciLayout(tar, images);
  await ctr("images", "import", "--snapshotter", "btrfs", tar);

  const [one = "", two = ""] = images.map(({ image }) => image.top.digest);
  const location = { host, topLevel: top, path: "containerd" };
  const lookUp = (name: string) => {
    const { id, source } = openStore(location).findRoot(
      parseImageReference(name),
    );
    return `${id} ${source}`;
  };
  const [first, second] = [lookUp("one:1"), lookUp("two:1")];
  t.ok(first.startsWith(one), "one image is found");
  t.ok(second.startsWith(two), "the other is found");

  const wrong: string[] = [];
  const counts = { found: 0, missing: 0 };
  const expect = (name: string, right: readonly string[]) => {
    try {
      const found = lookUp(name);
      counts.found += 1;
      if (!right.includes(found)) wrong.push(`${name}: ${found}`);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      counts.missing += 1;
      // ctr removes a name before it gives it to another image.
      if (name !== "flip:1" || error.code !== "IMAGE_MISSING") {
        wrong.push(`${name}: ${error.message}`);
      }
    }
  };
  const stop = path.join(scratch, "stop");
  const load = spawn("bash", ["-ec", LOAD], {
    env: { ...env, STOP: stop },
    stdio: "ignore",
  });
  t.teardown(() => load.kill());
  const end = once(load, "exit");
  while (load.exitCode === null && load.signalCode === null) {
    expect("one:1", [first]);
    expect("two:1", [second]);
    expect(one, [first]);
    expect("flip:1", [first, second]);
    if (counts.found >= MIN_FOUND) await writeFile(stop, "");
    await setImmediate();
  }
  const [status] = (await end) as [number | null];
  t.equal(status, 0, "containerd has done what it was told");
  t.strictSame(wrong.slice(0, 10), [], `${String(wrong.length)} wrong answers`);
  t.comment(
    `beside containerd's writes: ${String(counts.found)} times found, ${String(counts.missing)} times flip:1 was not there`,
  );
});
