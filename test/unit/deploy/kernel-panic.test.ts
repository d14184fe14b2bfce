import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { readKernelPanic } from "../../../installer/deploy/kernel-panic.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

/**
 * What Debian 12's kernel 6.1.0-50-cloud-amd64 left in /sys/fs/pstore when its init had exited, with
 * `qemu-system-x86_64 -M q35 -object memory-backend-file,id=erst,mem-path=FILE,size=256K,share=on -device acpi-erst,memdev=erst`
 * (QEMU 7.2.22). Part2 is the older half.
 */
const CAPTURED = join(
  import.meta.dirname,
  "../../../fixtures/captured/pstore-erst-6.1",
);
const PANIC =
  "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100";

await t.test(
  "why a kernel panicked is read where it has left it",
  async (t) => {
    const root = t.testdir();
    const host = createHost(root, createLog([]));
    t.strictSame(readKernelPanic(host), [], "nowhere");
    const left = join(root, "sys/fs/pstore");
    await cp(CAPTURED, left, { recursive: true });
    t.strictSame(readKernelPanic(host), [PANIC]);
  },
);

await t.test("and where systemd has saved it", async (t) => {
  const root = t.testdir();
  const host = createHost(root, createLog([]));
  for (const directory of ["1796000000", "1796000000/001"]) {
    const saved = join(root, "var/lib/systemd/pstore", directory);
    await mkdir(saved, { recursive: true });
    await cp(
      join(CAPTURED, "dmesg-erst-7713978687745425409"),
      join(saved, "dmesg.txt"),
    );
    t.strictSame(readKernelPanic(host), [PANIC]);
  }
});
