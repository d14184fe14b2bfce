import fs from "node:fs";
import path from "node:path";
import { generateSchemas } from "./generate.ts";

const DIRECTORY = path.join(import.meta.dirname, "../../docs/schema");

for (const [name, text] of await generateSchemas()) {
  fs.writeFileSync(path.join(DIRECTORY, name), text);
}
