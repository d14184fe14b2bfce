import { BootError } from "../../base/errors.ts";
import {
  formatImageReference,
  type ImageReference,
} from "../../images/image-ref.ts";
import { abbreviateIds } from "../../base/shorten.ts";
import type { StoredImage, StoreReader } from "../store.ts";
import type { StoreKind } from "../../options/table.ts";

/** What one of several stores says to a reference. */
export type Answer = FoundAnswer | OtherAnswer;

interface FoundAnswer {
  readonly kind: "image";
  readonly reader: StoreReader;
  readonly image: StoredImage;
}

interface OtherAnswer {
  /** `missing`: it has images, but not this one. */
  readonly kind: "missing" | "failed";
  readonly reader: StoreReader;
  readonly error: BootError;
}

/**
 * Which of several stores' answers count: those that have the image, all of the same one. Files do not
 * tell which store its engine uses now, so where answers differ there is nothing to choose by.
 * @returns at least one
 * @throws BootError STORE_AMBIGUOUS, or IMAGE_MISSING where none has it
 */
export function chooseAnswers(
  reference: ImageReference,
  storePath: string,
  answers: readonly Answer[],
): FoundAnswer[] {
  const found = answers.filter((answer) => answer.kind === "image");
  const hasFailed = answers.some(({ kind }) => kind === "failed");
  const differ = new Set(found.map(({ image }) => image.configId)).size > 1;
  if (differ || hasFailed) throw ambiguous(reference, storePath, answers);
  if (found.length > 0) return found;
  const [first] = answers.flatMap((answer) =>
    answer.kind === "missing" ? [answer.error] : [],
  );
  throw new BootError(
    "IMAGE_MISSING",
    `the image ${formatImageReference(reference)} is in none of the stores in ${storePath}`,
    {
      cause: new Error(answers.map(describe).join("; ")),
      ...(first?.hint === undefined ? {} : { hint: first.hint }),
    },
  );
}

function ambiguous(
  reference: ImageReference,
  storePath: string,
  answers: readonly Answer[],
): BootError {
  const kinds = [...new Set(answers.map(({ reader }) => reader.kind))];
  return new BootError(
    "STORE_AMBIGUOUS",
    `there are ${String(answers.length)} image stores in ${storePath}, and they say different things of ${formatImageReference(reference)}`,
    {
      cause: new Error(answers.map(describe).join("; ")),
      hint: `Say which one counts, among the kernel options or in the configuration: ${kinds.map((kind) => `dockroot.store=${kind}`).join(" or ")}${kinds.length === 1 ? ", which is the one of which a root can be made" : ""}. ${tellUsed(kinds)}`,
    },
  );
}

/** How to tell which of them is in use; Docker's two may have the same driver. */
function tellUsed(kinds: readonly StoreKind[]): string {
  if (kinds.includes("containerd")) {
    return "Docker uses containerd's where docker info has the driver-type io.containerd.snapshotter.v1.";
  }
  const engine = kinds.includes("podman") ? "podman" : "docker";
  return `${engine} info shows which driver is in use.`;
}

function describe(answer: Answer): string {
  const { name } = answer.reader;
  if (answer.kind !== "image") return `${name}: ${explain(answer.error)}`;
  const { id, configId } = answer.image;
  return id === configId
    ? `${name}: ${abbreviateIds(id)}`
    : `${name}: ${abbreviateIds(id)} (its configuration is ${abbreviateIds(configId)})`;
}

function explain({ message, cause }: Error): string {
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
