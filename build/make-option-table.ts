import fs from "node:fs";
import path from "node:path";
import prettier from "prettier";
import { fillOptionTable } from "./option-table.ts";

const page = path.resolve(import.meta.dirname, "../docs/kernel-options.md");
const filled = fillOptionTable(fs.readFileSync(page, "utf8"));
fs.writeFileSync(page, await prettier.format(filled, { filepath: page }));
