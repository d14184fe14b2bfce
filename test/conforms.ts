import fs from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Test } from "tap";

const SCHEMAS = path.join(import.meta.dirname, "../docs/schema");
const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  allowUnionTypes: true,
});
const names = fs.readdirSync(SCHEMAS);
for (const name of names) {
  ajv.addSchema(
    JSON.parse(fs.readFileSync(path.join(SCHEMAS, name), "utf8")) as object,
    name.replace(/\.schema\.json$/, ""),
  );
}

/** Asserts that what a command printed is what `docs/schema/NAME.schema.json` says. */
export function conforms(t: Test, name: string, output: unknown): void {
  const validate = ajv.getSchema(name);
  if (validate === undefined) throw new Error(`there is no schema ${name}`);
  const isValid = validate(output);
  t.equal(isValid, true, `${name}: ${ajv.errorsText(validate.errors)}`);
}
