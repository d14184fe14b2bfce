import fs from "node:fs";
import v8 from "node:v8";
import { Script } from "node:vm";

// cache-code.cjs FILE NAME all|outer: has V8 compile a script and writes FILE.cache: the code of all
// its functions, or of those alone that are sure to run. Fails where V8 does not take it back.

const [file = "", filename = "", functions = ""] = process.argv.slice(2);
const source = fs.readFileSync(file, "utf8");
// The flag itself is stored with the code, for it to be refused where flags are others.
if (functions === "all") v8.setFlagsFromString("--no-lazy");
const script = new Script(source, { filename });
v8.setFlagsFromString("--lazy");
const cachedData = script.createCachedData();
if (new Script(source, { filename, cachedData }).cachedDataRejected) {
  throw new Error(`V8 refuses the code that it made of ${filename}`);
}
fs.writeFileSync(`${file}.cache`, cachedData);
