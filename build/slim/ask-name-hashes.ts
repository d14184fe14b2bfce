import { run } from "../run.ts";
import { hashedNames, type NameHashes } from "./ignore-environment.ts";

/**
 * Asks a Node that keeps its hash seed for V8's hashes of names: cached code has them.
 * @throws where that has a name more than once, or not at all
 */
export async function askNameHashes(nodeFile: string): Promise<NameHashes> {
  const answer = await run([
    nodeFile,
    ...["--no-warnings", "--eval", ASK, JSON.stringify(hashedNames)],
  ]);
  return JSON.parse(answer) as NameHashes;
}

const ASK = `
  const names = JSON.parse(process.argv[1]);
  const source = names.map((name) => "process.env." + name).join(";");
  const code = new (require("vm").Script)(source).createCachedData();
  console.log(JSON.stringify(Object.fromEntries(names.map((name) => {
    const at = code.indexOf(name);
    if (at < 0 || code.includes(name, at + 1) || code.readUInt32LE(at - 4) !== name.length)
      throw new Error("V8 keeps the name " + name + " in another way than expected");
    return [name, code.readUInt32LE(at - 8)];
  }))));`;
