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
for (const name of fs.readdirSync(SCHEMAS)) {
  const text = fs.readFileSync(path.join(SCHEMAS, name), "utf8");
  ajv.addSchema(JSON.parse(text) as object);
}

/** Asserts that what a command printed is as `docs/schema/NAME.schema.json` says. */
export function conforms(t: Test, name: string, output: unknown): void {
  const validate = ajv.getSchema(`${name}.schema.json`);
  if (validate === undefined) throw new Error(`there is no schema ${name}`);
  const isValid = validate(output);
  t.equal(
    isValid,
    true,
    `${name}.schema.json: ${ajv.errorsText(validate.errors)}`,
  );
}
