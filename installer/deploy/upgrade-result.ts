import type { Deployment } from "../../runtime/records/deployments.ts";
import type { OfferedImage } from "../engines/formats/engine-answers.ts";
import type { GeneratorName } from "../generators/generator.ts";
import type { PackageChanges } from "../packages/formats/package-lists.ts";

/** What an upgrade has done, or would do. */
export interface UpgradeResult {
  readonly kind: "unchanged" | "planned" | "upgraded";
  /** What runs; `undefined` where that is no deployment. */
  readonly from: Deployment | undefined;
  readonly to: Deployment;
  /** Whether that boots next. */
  readonly isNext: boolean;
  /** The number of the deployment that a rollback takes; `null` where there is none. */
  readonly rollback: number | null;
  /** Whether dockroot has made the present root. */
  readonly isBooted: boolean;
  /** What its os-release calls it; `null` where it says nothing. */
  readonly system: string | null;
  /** What makes its initramfs on this machine; `null` where it is the image's. */
  readonly generator: GeneratorName | null;
  /** From what runs; `null` where that is another system, or cannot be told. */
  readonly packages: PackageChanges | null;
  /** How many files of the present root the next one lacks; `null` where that is not known. */
  readonly writtenFiles: number | null;
  /** What the registry has that the store does not; `null` where that is nothing, or was not asked for. */
  readonly offered: OfferedImage | null;
  /** The numbers of those that went, to make room or past the limit. */
  readonly removed: readonly number[];
  /** Whose menu has the entry. */
  readonly loader: string;
  readonly warnings: readonly string[];
}
