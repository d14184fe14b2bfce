// runner: tier=first seconds=2
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { executable } from "../../binary/run-dockroot.ts";
import { makeScratch } from "../scratch.ts";

/** Node has its debugger up after some milliseconds. */
const DEBUGGER_MS = 300;

await t.test(
  "SIGUSR1 opens no debugger, and no umask gives others the log",
  async (t) => {
    const directory = makeScratch(t, "surroundings");
    mkdirSync(`${directory}/run`);
    const child = spawn(
      "/bin/sh",
      [
        ...["-c", 'umask 000; exec "$0" "$@"', executable, "finish"],
        ...["--run-dir", `${directory}/run`, "--when", `${directory}/go`],
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    t.teardown(() => child.kill("SIGKILL"));
    const ended = once(child, "exit");
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    // It is ready, and waits.
    await once(child.stderr, "data");
    child.kill("SIGUSR1");
    await sleep(DEBUGGER_MS);
    writeFileSync(`${directory}/go`, "");
    t.strictSame(await ended, [1, null], "nothing has booted");
    t.notMatch(said, /Debugger/);
    t.equal(statSync(`${directory}/run/boot.log`).mode & 0o777, 0o600);
  },
);
