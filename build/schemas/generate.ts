import { toJsonSchema, toJsonSchemaDefs } from "@valibot/to-json-schema";
import * as prettier from "prettier";
import type { GenericSchema } from "valibot";
import {
  bootPlan,
  bootRecord,
  failed,
  generation,
  rooted,
  rootPlan,
} from "./boot.ts";
import { common } from "./common.ts";
import { doctor, topLayerCheck } from "./checks.ts";
import { diff } from "./diff.ts";
import {
  bootEntry,
  deployments,
  resolved,
  status,
  upgrade,
} from "./reports.ts";

const COMMON = "common.schema.json";
const DIALECT = "https://json-schema.org/draft/2020-12/schema";

interface Output {
  readonly title: string;
  readonly shape: GenericSchema;
  /** Parts that have a name of their own. */
  readonly parts?: Readonly<Record<string, GenericSchema>>;
}

/** What dockroot prints as JSON, by the name of its schema. */
export const outputs = {
  "boot-record": {
    title: "dockroot boot --json, and /run/dockroot/boot.json",
    shape: bootRecord,
    parts: { rooted, failed },
  },
  "boot-plan": {
    title: "dockroot boot --dry-run --json",
    shape: bootPlan,
    parts: { rootPlan, generation },
  },
  upgrade: { title: "dockroot upgrade --json", shape: upgrade },
  deployments: {
    title: "dockroot deployments --json, and what changes them",
    shape: deployments,
  },
  diff: { title: "dockroot diff --json", shape: diff },
  status: { title: "dockroot status --json", shape: status },
  resolve: { title: "dockroot resolve --json", shape: resolved },
  doctor: { title: "dockroot doctor --json", shape: doctor },
  "boot-entry": { title: "dockroot boot-entry --json", shape: bootEntry },
  "toplayer-check": {
    title: "dockroot toplayer check --json",
    shape: topLayerCheck,
  },
} satisfies Record<string, Output>;

/** The texts of the files in docs/schema, by their names. */
export async function generateSchemas(): Promise<Map<string, string>> {
  const files = new Map<string, object>([
    [
      COMMON,
      {
        $schema: DIALECT,
        $id: COMMON,
        title: "What several schemas have in common",
        $defs: toJsonSchemaDefs(common),
      },
    ],
  ]);
  for (const [name, output] of Object.entries<Output>(outputs)) {
    const id = `${name}.schema.json`;
    files.set(id, describeOutput(id, output));
  }
  const texts = new Map<string, string>();
  for (const [name, content] of files) {
    const text = JSON.stringify(content, undefined, 2);
    texts.set(name, await prettier.format(text, { parser: "json" }));
  }
  return texts;
}

function describeOutput(
  id: string,
  { title, shape, parts = {} }: Output,
): object {
  const { $defs, ...schema } = toJsonSchema(shape, {
    target: "draft-2020-12",
    definitions: { ...common, ...parts },
    overrideRef: ({ referenceId }) =>
      Object.hasOwn(common, referenceId)
        ? `${COMMON}#/$defs/${referenceId}`
        : undefined,
  });
  const own = Object.keys(parts).map((name) => [name, $defs?.[name]]);
  return {
    $schema: DIALECT,
    $id: id,
    title,
    ...schema,
    ...(own.length > 0 && { $defs: Object.fromEntries(own) }),
  };
}
