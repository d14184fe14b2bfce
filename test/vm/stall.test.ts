// runner: tier=first seconds=15 needs=machine
import t from "tap";
import { createComputer } from "./computer.ts";

const SHELL_TIMEOUT_MS = 2 * 60_000;
const computer = await createComputer(t, "stall");

await t.test(
  "a machine that works without end is told from one that waits",
  async (t) => {
    const vm = await computer.start(t, { cmdline: "break=top" });
    await vm.waitFor(/\(initramfs\) /, SHELL_TIMEOUT_MS);
    await t.rejects(vm.waitFor(/never said/, 1000), {
      message:
        /^within \d+ s the machine had not said \/never said\/; its processor waits \(busy for \d+ %, at [^;]*halted.*its console ends:\n[^]*\(initramfs\) /,
    });
    vm.send("while :; do :; done\r");
    await t.rejects(vm.waitFor(/never said/, 3000), {
      message:
        /; STALLED: its processor works .*\(busy for \d+ %, at [0-9a-f]+ /,
    });
    await vm.stop();
    await t.rejects(vm.waitFor(/never said/, 1000), {
      message: /^the machine went off before it said /,
    });
  },
);
