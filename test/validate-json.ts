import { readFileSync } from "node:fs";
import { Ajv2020, type SchemaObject } from "ajv/dist/2020.js";

/**
 * What of a program's output its documented schema does not allow.
 * @param name of docs/schema/NAME.schema.json
 */
export function findSchemaErrors(name: string, output: unknown): string[] {
  const file = new URL(`../docs/schema/${name}.schema.json`, import.meta.url);
  const schema = JSON.parse(readFileSync(file, "utf8")) as SchemaObject;
  const validate = new Ajv2020({ strict: true, strictTypes: false }).compile(
    schema,
  );
  validate(output);
  return (validate.errors ?? []).map(
    ({ instancePath, message = "" }) => `${instancePath} ${message}`,
  );
}
