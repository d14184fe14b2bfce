import { readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import path from "node:path";
import { entryFile, executableFile, projectDirectory } from "./layout.ts";
import { makeExecutable } from "./make-executable.ts";

// node build/build.ts [OUTPUT]: what `make build` runs.

const output = path.resolve(process.argv[2] ?? executableFile);
const version = await makeExecutable(entryFile, output);
const bytes = await readFile(output);
const sha256 = createHash("sha256").update(bytes).digest("hex");
console.log(`${path.relative(projectDirectory, output)}: ${version}`);
console.log(`${(bytes.length / 1e6).toFixed(1)} MB, sha256 ${sha256}`);
