import { abbreviateIds, listNames } from "../base/shorten.ts";
import { BootError } from "../base/errors.ts";
import { imageMissing } from "../images/image-missing.ts";
import {
  formatImageReference,
  type ImageId,
  type ImageName,
  type ImageReference,
} from "../images/image-ref.ts";
import type { StoreKind } from "../options/table.ts";
import type {
  FoundImage,
  StoredImage,
  StoreReader,
  TreeKind,
} from "./store.ts";

const MAX_FITTING = 5;

/** What one of the stores in a directory says to a reference. */
export type Answer = FoundAnswer | FailedAnswer;

interface FoundAnswer {
  readonly reader: StoreReader;
  readonly image: StoredImage;
}

interface FailedAnswer {
  readonly reader: StoreReader;
  readonly image?: undefined;
  /** IMAGE_MISSING where it has images, but not this one. */
  readonly error: BootError;
}

/**
 * Finds an image of which a root can be made, in one of several stores.
 * @param storePath the stores' directory, for messages
 * @param readers of its stores; those without images do not count
 * @param kinds of trees of which the root can be made
 * @throws BootError as `ImageStore.find`
 */
export function findInStores(
  storePath: string,
  readers: readonly StoreReader[],
  reference: ImageReference,
  kinds: readonly TreeKind[],
): FoundImage {
  const all = readers.map((reader) => ask(reader, storePath, reference));
  const used = all.filter(
    (answer) => !isMissing(answer) || hasImages(answer.reader),
  );
  const answers = used.length === 0 ? all.slice(0, 1) : used;
  const chosen =
    answers.length === 1
      ? answers
      : chooseAnswers(reference, storePath, answers);
  // The same image in several stores: one that can be a root is enough, best one that costs no copying.
  const errors: unknown[] = [];
  const layered: FoundImage[] = [];
  for (const answer of chosen) {
    try {
      const found = addTree(answer, kinds);
      if (found.tree.kind === "subvolume") return found;
      layered.push(found);
    } catch (error) {
      if (!(error instanceof BootError)) throw error;
      errors.push(error);
    }
  }
  if (layered[0] !== undefined) return layered[0];
  throw errors[0];
}

function ask(
  reader: StoreReader,
  storePath: string,
  reference: ImageReference,
): Answer {
  try {
    return { reader, image: findImage(reader, storePath, reference) };
  } catch (error) {
    if (error instanceof BootError) return { reader, error };
    throw error;
  }
}

/** That no root can be made of any image is told before what else is wrong, but asked only then. */
function addTree(answer: Answer, kinds: readonly TreeKind[]): FoundImage {
  const { reader, image } = answer;
  try {
    if (image === undefined) throw answer.error;
    const tree = reader.findTree(image);
    if (!kinds.includes(tree.kind)) throw reader.explainUnsupported();
    return { ...image, store: reader.kind, tree };
  } catch (error) {
    if (reader.treeKinds().some((kind) => kinds.includes(kind))) throw error;
    const missing = isMissing(answer) ? answer.error : undefined;
    throw reader.explainUnsupported(missing);
  }
}

function isMissing(answer: Answer): answer is FailedAnswer {
  return answer.image === undefined && answer.error.code === "IMAGE_MISSING";
}

/** What cannot be read may have some. */
function hasImages(reader: StoreReader): boolean {
  try {
    return reader.listIds().length > 0;
  } catch (error) {
    if (error instanceof BootError) return true;
    throw error;
  }
}

/**
 * The image in one store: of a name that could also be the beginning of an ID, the name wins.
 * @throws BootError IMAGE_MISSING, IMAGE_AMBIGUOUS, IMAGE_EMPTY, STORE_DAMAGED
 */
export function findImage(
  reader: StoreReader,
  storePath: string,
  reference: ImageReference,
): StoredImage {
  const id =
    reference.kind === "id"
      ? reader.listIds().find((other) => other === reference.id)
      : (reader.findNamed(reference) ??
        matchPrefix(reader, storePath, reference) ??
        reader.findNamedLast?.(reference));
  if (id !== undefined) return reader.readImage(id, reference);
  throw imageMissing(reference, storePath, reader);
}

/** @throws BootError IMAGE_AMBIGUOUS */
function matchPrefix(
  reader: StoreReader,
  storePath: string,
  { idPrefix }: ImageName,
): ImageId | undefined {
  if (idPrefix === undefined) return undefined;
  const fitting = new Set(
    reader.listIds().filter((id) => id.startsWith(`sha256:${idPrefix}`)),
  );
  if (fitting.size <= 1) return [...fitting][0];
  throw new BootError(
    "IMAGE_AMBIGUOUS",
    `${idPrefix} is the beginning of ${String(fitting.size)} image IDs in ${storePath}: ${listNames([...fitting], MAX_FITTING)}`,
    { hint: "Give more digits of the ID, or the image's name." },
  );
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
  const found = answers.filter((answer) => answer.image !== undefined);
  const failed = answers.filter((answer) => answer.image === undefined);
  const cause = new Error(answers.map(describe).join("; "));
  const differ = new Set(found.map(({ image }) => image.configId)).size > 1;
  if (differ || !failed.every(isMissing)) {
    throw new BootError(
      "STORE_AMBIGUOUS",
      `there are ${String(answers.length)} image stores in ${storePath}, and they disagree on ${formatImageReference(reference)}`,
      { cause, hint: tellKinds(answers.map(({ reader }) => reader.kind)) },
    );
  }
  if (found.length > 0) return found;
  throw new BootError(
    "IMAGE_MISSING",
    `the image ${formatImageReference(reference)} is in none of the stores in ${storePath}`,
    { cause, hint: failed[0]?.error.hint },
  );
}

/** How to tell which store is in use, and to say so; Docker's two may have the same driver. */
function tellKinds(all: readonly StoreKind[]): string {
  const kinds = [...new Set(all)];
  const ways = kinds.map((kind) => `dockroot.store=${kind}`).join(" or ");
  const only =
    kinds.length === 1 ? ", which takes the one whose images can be roots" : "";
  const engine = kinds.includes("podman") ? "podman" : "docker";
  const used = kinds.includes("containerd")
    ? "Docker uses containerd's where docker info has the driver-type io.containerd.snapshotter.v1."
    : `${engine} info shows which driver is in use.`;
  return `Choose one by a kernel option or in the configuration: ${ways}${only}. ${used}`;
}

function describe(answer: Answer): string {
  const { name } = answer.reader;
  if (answer.image === undefined) {
    const { message, cause } = answer.error;
    return cause instanceof Error
      ? `${name}: ${message} (${cause.message})`
      : `${name}: ${message}`;
  }
  const { id, configId } = answer.image;
  const config = id === configId ? "" : ` (its configuration is ${configId})`;
  return abbreviateIds(`${name}: ${id}${config}`);
}
