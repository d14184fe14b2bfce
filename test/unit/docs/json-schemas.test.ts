import fs from "node:fs";
import path from "node:path";
import t from "tap";
import type { InferOutput } from "valibot";
import type {
  failed,
  planStep,
  rooted,
  rootPlan,
} from "../../../build/schemas/boot.ts";
import {
  generateSchemas,
  type outputs,
} from "../../../build/schemas/generate.ts";
import type { reportEntry } from "../../../installer/commands/boot-entry.ts";
import type { describeDeployments } from "../../../installer/deploy/plan/format-deployments.ts";
import type { describeUpgrade } from "../../../installer/deploy/plan/format-upgrade.ts";
import type { describeDiff } from "../../../installer/diff/formats/format-diff.ts";
import type { DoctorReport } from "../../../installer/doctor/rules/report.ts";
import type { Status } from "../../../installer/status/formats/status.ts";
import type { ResolvedImage } from "../../../installer/system/resolve-image.ts";
import type { CheckReport } from "../../../installer/toplayer/rules/find-problems.ts";
import type { describeRootPlan } from "../../../runtime/plan/format-plan.ts";
import type { MergeCounts } from "../../../runtime/tree/merge-plan.ts";
import type { Step } from "../../../runtime/plan/steps.ts";
import type {
  FailedBoot,
  RootedBoot,
} from "../../../runtime/records/boot-record.ts";

const DIRECTORY = path.join(import.meta.dirname, "../../../docs/schema");

/** What JSON makes of a value of this type: what is undefined is left out, a digest is a text. */
type Json<T> = T extends readonly (infer Item)[]
  ? readonly Json<Item>[]
  : T extends object
    ? Flat<
        {
          readonly [K in keyof T as undefined extends T[K] ? never : K]: Json<
            T[K]
          >;
        } & {
          readonly [
            K in keyof T as undefined extends T[K]
              ? K extends "hasPrivateCauses"
                ? never
                : K
              : never
          ]?: Json<Exclude<T[K], undefined>>;
        }
      >
    : T extends `sha256:${string}`
      ? string
      : T;
type Flat<T> = { [K in keyof T]: T[K] };
type Agree<A, B> =
  (<T>() => T extends Json<A> ? 1 : 2) extends <T>() => T extends Json<B>
    ? 1
    : 2
    ? true
    : false;
type Shape<Name extends keyof typeof outputs> = InferOutput<
  (typeof outputs)[Name]["shape"]
>;

interface CopiesTopLayer {
  kind: "copyTopLayer";
}
type DescribedStep = Exclude<Step, CopiesTopLayer> & {
  readonly description: string;
};
type MergedStep = Extract<InferOutput<typeof planStep>, CopiesTopLayer>;

/** It does not compile where a schema and the type of what is printed differ. */
export const agreements: readonly true[] = [
  true satisfies Agree<Shape<"status">, Status>,
  true satisfies Agree<Shape<"doctor">, DoctorReport>,
  true satisfies Agree<Shape<"resolve">, ResolvedImage>,
  true satisfies Agree<Shape<"toplayer-check">, CheckReport>,
  true satisfies Agree<Shape<"boot-entry">, ReturnType<typeof reportEntry>>,
  true satisfies Agree<Shape<"upgrade">, ReturnType<typeof describeUpgrade>>,
  true satisfies Agree<
    Shape<"deployments">,
    ReturnType<typeof describeDeployments>
  >,
  true satisfies Agree<Shape<"diff">, ReturnType<typeof describeDiff>>,
  true satisfies Agree<InferOutput<typeof rooted>, RootedBoot>,
  true satisfies Agree<InferOutput<typeof failed>, FailedBoot>,
  true satisfies Agree<
    Omit<InferOutput<typeof rootPlan>, "steps">,
    Omit<ReturnType<typeof describeRootPlan>, "steps">
  >,
  true satisfies Agree<
    Exclude<InferOutput<typeof planStep>, CopiesTopLayer>,
    DescribedStep
  >,
  true satisfies Agree<MergedStep["merge"], MergeCounts>,
];

t.test("the schemas in docs/schema are those of their source", async (t) => {
  const schemas = await generateSchemas();
  t.strictSame(fs.readdirSync(DIRECTORY).sort(), [...schemas.keys()].sort());
  for (const [name, text] of schemas) {
    const written = fs.readFileSync(path.join(DIRECTORY, name), "utf8");
    t.equal(written, text, `${name}: make schemas`);
  }
});
