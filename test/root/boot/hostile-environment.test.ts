// runner: tier=first seconds=8
import path from "node:path";
import t from "tap";
import { executable, runIn } from "../../binary/run-dockroot.ts";
import { makeBootDisk, rehearse } from "../boot-disk.ts";

// What the kernel does not know of its command line becomes the environment of early userspace.

const disk = await makeBootDisk(t, "environment");

for (const [name, value] of [
  ["NODE_CHANNEL_FD", "3"],
  ["NODE_CHANNEL_FD", "x"],
  ["NODE_UNIQUE_ID", "1"],
  ["NODE_REPL_EXTERNAL_MODULE", "/nowhere"],
  ["NODE_OPTIONS", "--nonsense"],
  ["OPENSSL_CONF", executable],
] as const) {
  await t.test(`${name}=${value} changes nothing`, async (t) => {
    const machine = rehearse(t, disk, `${name}-${path.basename(value)}`);
    const act = (...args: string[]) => {
      const { status, stdout, stderr } = runIn({ [name]: value }, ...args);
      t.equal(status, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    t.match(act("--version"), /^dockroot /);
    const flags = machine.flags();
    t.match(act("boot", "--dry-run", ...flags), /^steps:$/m);
    act("boot", ...flags);
    t.match(machine.record(), { result: "fresh", warnings: [] });
    act("finish", "--run-dir", machine.runDirectory);
  });
}
