import { once } from "node:events";
import { spawn } from "node:child_process";
import path from "node:path";
import t from "tap";
import { lockDirectory } from "../../../runtime/host/lock.ts";

t.test("a lock that another process has is told by flock itself", async (t) => {
  const directory = t.testdir();
  const holder = spawn("flock", [directory, "sh", "-c", "echo; exec cat"]);
  await once(holder.stdout, "data");
  const timers = t.capture(globalThis, "setTimeout", setTimeout);
  t.equal(await lockDirectory(directory, 0, false), undefined);
  t.strictSame(timers(), [], "not by the time that passes");
  holder.stdin.end();
  await once(holder, "close");

  const lock = await lockDirectory(directory, 0, false);
  t.ok(lock?.isHeld());
  t.strictSame(timers(), []);
  t.equal(await lockDirectory(directory, 0, false), undefined);
  t.equal(await lockDirectory(directory, 100, false), undefined, "or too late");
  await lock?.release();
  const next = await lockDirectory(directory, 0, false);
  t.ok(next?.isHeld());
  await next?.release();
});

t.test("other failures of flock are not a conflict", async (t) => {
  const absent = path.join(t.testdir(), "absent/directory");
  for (const timeoutMs of [0, 1000]) {
    await t.rejects(lockDirectory(absent, timeoutMs, false), {
      name: "HelperError",
      message: /^flock exited with status \d+: .*absent/,
    });
  }
});
