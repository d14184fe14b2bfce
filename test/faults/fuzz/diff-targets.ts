import type { Random } from "../../../fixtures/random.ts";
import {
  aboutPath,
  BEGIN,
  COMMAND,
  END,
  sealCommand,
  writeCommand,
  writeSendStream,
} from "../../../fixtures/send-stream-writer.ts";
import { Replay } from "../../../installer/diff/formats/replay.ts";
import {
  SendStreamReader,
  StreamError,
} from "../../../installer/diff/formats/send-stream.ts";
import { check } from "./check.ts";
import type { Samples, Target } from "./target.ts";

/** Commands and their paths, a line each. */
const COMMANDS: Samples = [
  "mkdir o1\nrename o1 a/b\nwrite a/b/c\nchmod a\nunlink x\nrmdir y\n",
  "rename a o1\nrename b a\nrename o1 b\nsetXattr b/x\nlink b/z\ntruncate b/z\n",
  "rename a/b b\nrename a b/a\nutimes b\nmkfile b/a/x\nsymlink l\nrename l b/l\n",
];

/** The parsers of what btrfs says has changed. */
export const diffTargets: readonly Target[] = [
  {
    name: "send streams",
    samples: COMMANDS,
    parse: (text, random) => {
      const stream = writeCommands(text, random);
      if (random.oneIn(4)) {
        stream[random.below(stream.length)] = random.below(256);
      }
      try {
        const paths = readPaths(stream, 1 + random.below(1000));
        check(new Set(paths).size === paths.length, "one path twice");
        for (const path of paths) {
          const names = path === "" ? [] : path.split("/");
          check(
            !names.some((name) => ["", ".", ".."].includes(name)) &&
              !path.includes("\0"),
            "a path out of the tree",
          );
        }
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
      }
    },
  },
];

function writeCommands(text: string, random: Random): Buffer {
  const commands = text.split("\n").map((line) => {
    const [name = "", path = "", to] = line.split(" ");
    const number = Object.hasOwn(COMMAND, name)
      ? COMMAND[name as keyof typeof COMMAND]
      : COMMAND.chmod;
    return { number, path: path.slice(0, 5000), to: to?.slice(0, 5000) };
  });
  return Buffer.concat([
    writeSendStream([BEGIN], 1 + random.below(3)),
    ...commands.map(({ number, path, to }) =>
      random.oneIn(50)
        ? sealCommand(number, Buffer.from(path, "latin1"))
        : writeCommand(aboutPath(number, path, to)),
    ),
    writeCommand(END),
  ]);
}

function readPaths(stream: Buffer, chunkBytes: number): string[] {
  const replay = new Replay();
  const reader = new SendStreamReader((command) => {
    replay.apply(command);
  });
  for (let at = 0; at < stream.length; at += chunkBytes) {
    reader.push(stream.subarray(at, at + chunkBytes));
  }
  reader.end();
  return replay.candidates().map(({ path }) => path);
}
