// What mount(8) of util-linux 2.38 does with more options than fit into a page cannot be provoked with another version: it is faked here.
import fs from "node:fs";
import path from "node:path";
import t, { type Test } from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import { mountOverlay } from "../../../runtime/disk/overlay/mount-overlay.ts";
import { createHost, type Host } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

interface Lie {
  /** What the mount shows in the place of what it was given. */
  readonly show?: (options: string) => string;
  readonly fsType?: string;
}

/** A machine on which mount(8) succeeds, whatever it has mounted; umount(8) works. */
function fakeHost(
  t: Test,
  { show = (options) => options, fsType = "overlay" }: Lie,
) {
  const real = createHost(t.testdir(), createLog([]));
  const calls: string[][] = [];
  let mounts = "";
  const host: Host = {
    ...real,
    readText: (file) => (file === "/proc/self/mountinfo" ? mounts : undefined),
    files: { ...real.files, statusOf: (file) => ownedByRoot(real, file) },
    run: (argv, options) => {
      calls.push([...argv]);
      if (argv[0] === "mount") {
        t.equal(options?.environment?.["LIBMOUNT_FORCE_MOUNT2"], "always");
        const given = argv[argv.indexOf("-o") + 1] ?? "";
        for (const name of /lowerdir=([^,]*)/.exec(given)?.[1]?.split(":") ??
          []) {
          t.ok(fs.existsSync(path.join(options?.directory ?? "", name)));
        }
        mounts = `40 1 0:60 / ${argv.at(-1) ?? ""} rw - ${fsType} overlay ${show(given)}\n`;
      } else mounts = "";
      return Promise.resolve({ exitCode: 0, stdout: Buffer.of() });
    },
  };
  return { host, calls, isMounted: () => mounts !== "" };
}

function ownedByRoot(real: Host, file: string | Buffer) {
  const status = real.files.statusOf(file);
  return status && { ...status, uid: 0 };
}

async function mount(t: Test, lie: Lie, count: number) {
  const { host, calls, isMounted } = fakeHost(t, lie);
  const base = t.testdirName;
  const layers = Array.from({ length: count }, (_, index) => {
    const layer = path.join(base, `layer,with:odd\\name-${String(index)}`);
    fs.mkdirSync(layer);
    return layer;
  });
  const upper = { directory: `${base}/upper`, work: `${base}/work` };
  const at = path.join(base, "root");
  const links = path.join(base, "links");
  try {
    await mountOverlay(host, at, { layers, upper }, links);
  } finally {
    t.notOk(fs.existsSync(links), "no link stays");
  }
  return { options: calls[0]?.[4], isMounted: isMounted() };
}

t.test("layers are named by short links", async (t) => {
  const { options } = await mount(t, {}, 3);
  t.match(
    options,
    /^rw,lowerdir=0:1:2,upperdir=[^,]*\/upper,workdir=[^,]*\/work,/,
  );
  t.ok((await mount(t, {}, 450)).isMounted);
  t.ok(
    (
      await mount(
        t,
        {
          show: (all) => all.replace("lowerdir=0:1", "lowerdir+=0,lowerdir+=1"),
        },
        2,
      )
    ).isMounted,
    "as later kernels show them",
  );
});

t.test(
  "a mount that is another one than was asked for is undone",
  async (t) => {
    for (const [lie, reason] of [
      [{ show: (all) => all.replace(":2", "") }, /2 of 3 layers are mounted/],
      [
        { show: (all) => all.replace(/,upperdir=[^,]*/, "") },
        /the upper directory is another/,
      ],
      [
        { show: (all) => all.replace("upper,", "other,") },
        /the upper directory is another/,
      ],
      [{ show: (all) => all.replace("rw,", "ro,") }, /it takes no writes/],
      [{ fsType: "tmpfs" }, /no overlay is mounted there/],
    ] as const satisfies readonly (readonly [Lie, RegExp])[]) {
      try {
        await mount(t, lie, 3);
        t.fail("was not noticed");
      } catch (error) {
        t.ok(error instanceof BootError);
        t.match(error, { code: "MOUNT_FAILED", cause: { message: reason } });
      }
    }
  },
);

t.test("what mount(2) would cut off is not given to it", async (t) => {
  try {
    await mount(t, {}, 1200);
    t.fail("was mounted");
  } catch (error) {
    t.match(error, { cause: { message: /1200 layers are too many/ } });
  }
});
