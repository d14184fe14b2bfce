import type {
  Deployment,
  Deployments,
} from "../../../runtime/records/deployments.ts";
import { escapeControl } from "../../../runtime/base/escape.ts";
import type { Change, SeenNext } from "../change-deployments.ts";
import { isLoaderName } from "../../loaders/formats/boot-loader.ts";
import { BOOT_LOADERS } from "../../loaders/formats/boot-loaders.ts";
import { formatSize } from "../../text/human.ts";
import { formatTable } from "../../text/table.ts";
import { findDeployment, inMenu, nameDeployment } from "./deployments.ts";

/** What `dockroot deployments --json` prints, version 1. */
export function describeDeployments(
  state: Deployments,
  running: number | undefined,
  once: number | undefined,
) {
  return {
    version: 1 as const,
    follows: state.reference,
    loader: state.loader,
    running: running ?? null,
    next: state.next,
    once: once ?? null,
    fallback: state.fallback,
    deployments: inMenu(state).map(
      ({ n, image, kernel, state: own, tries, isPinned, failure, errors }) => ({
        ...{ n, image, state: own, tries, isPinned, failure },
        errors: errors ?? [],
        kernel: {
          ...{ release: kernel.release, bytes: kernel.bytes },
          initramfs: kernel.initramfs ?? ("image" as const),
        },
      }),
    ),
  };
}

/**
 * The deployments for people, the newest first: a table, or two lines for each where that is wider than the terminal.
 * @param seen what the boot loader does next
 * @param columns its width; `undefined` where it is none
 */
export function formatDeployments(
  state: Deployments,
  running: number | undefined,
  { once, isCounted }: SeenNext,
  columns: number | undefined,
): string {
  const shown = inMenu(state).toReversed();
  if (shown.length === 0) {
    return "There are no deployments: dockroot upgrade makes the first one.\n";
  }
  const cells = shown.map(
    ({ n, image, kernel, state: own, isPinned, failure }) => ({
      n: String(n),
      said: [
        ...(n === running ? ["runs"] : []),
        ...(n === once ? ["boots next, once"] : []),
        ...(n === state.next
          ? [once === undefined ? "boots next" : "boots after that"]
          : []),
        ...(isPinned ? ["pinned"] : []),
        ...(own === "good" ? [] : [own]),
      ].join(", "),
      image: image.reference,
      id: image.id.slice("sha256:".length, "sha256:".length + 12),
      release: kernel.release,
      size: formatSize(kernel.bytes),
      failure: failure ?? "",
    }),
  );
  const table = formatTable(
    [
      ["", "", "image", "ID", "kernel", "boot files", ""],
      ...cells.map(({ n, said, image, id, release, size, failure }) => [
        ...[n, said, image, id, release, size, failure],
      ]),
    ],
    { rightAligned: [0, 5] },
  );
  const isNarrow = table.some((line) => line.length > (columns ?? Infinity));
  const lines = isNarrow
    ? cells.flatMap(({ n, said, image, id, release, size, failure }) => {
        const indent = " ".repeat(n.length + 2);
        return [
          `${n}  ${image}${said && `  ${said}`}`,
          `${indent}${release}, boot files ${size}, ID ${id}`,
          ...(failure && [`${indent}${failure}`]),
        ];
      })
    : table;
  return [...lines, ...tellUncounted(state, isCounted)]
    .map((line) => `${line}\n`)
    .join("");
}

/** Of a candidate's kernel that dies, nobody knows where the boot loader does not count. */
function tellUncounted(
  { deployments, next, loader }: Deployments,
  isCounted: boolean | undefined,
): string[] {
  const found = deployments.find(({ n }) => n === next);
  const isCandidate = found?.state === "candidate" && found.tries !== null;
  if (!isCandidate || !isLoaderName(loader)) return [];
  const isUncounted =
    loader === "refind" ||
    loader === "limine" ||
    (loader === "grub" && isCounted === false);
  return isUncounted
    ? [
        `${BOOT_LOADERS[loader].title} does not count boots: if the kernel of deployment ${String(found.n)} dies before dockroot begins, choose another one in the menu.`,
      ]
    : [];
}

/** What went wrong in the last boot of a bad one, below why it is bad: nothing in it can write on a terminal by itself. */
export function listErrors(errors: readonly string[] = []): readonly string[] {
  if (errors.length === 0) return [];
  const lines = errors.map((line) => `  ${escapeControl(line)}`);
  return ["The last errors of its last boot:", ...lines];
}

/**
 * What has changed, and what boots next.
 * @param isDry it would change: nothing was written
 */
export function formatChange(
  { before, after, once }: Pick<Change, "before" | "after" | "once">,
  isDry: boolean,
): string {
  const name = (state: Deployments, n = state.next) => {
    const found = findDeployment(state, n);
    return found === undefined ? "none of dockroot's" : nameDeployment(found);
  };
  const isSame = before.next === after.next && once.before === once.after;
  const boots = isDry ? "would boot next" : "boots next";
  const until =
    once.after !== undefined ? ", once" : isDry ? "" : " from now on";
  const tell = (past: string, deployments: readonly Deployment[]) =>
    deployments.map(
      (each) => `${isDry ? "would be " : ""}${past}: ${nameDeployment(each)}\n`,
    );
  // What another one's damaged record holds is retired, and there.
  const kept = isDry ? inMenu(after) : after.deployments;
  const gone = before.deployments.filter(
    ({ n }) => !kept.some((each) => each.n === n),
  );
  const pinned = kept.filter(
    ({ n, isPinned }) =>
      isPinned !== (findDeployment(before, n)?.isPinned ?? false),
  );
  return [
    ...tell("removed", gone),
    ...tell(
      "pinned",
      pinned.filter(({ isPinned }) => isPinned),
    ),
    ...tell(
      "unpinned",
      pinned.filter(({ isPinned }) => !isPinned),
    ),
    ...(isSame
      ? [
          `boots next${once.after === undefined ? "" : ", once"}: ${name(after, once.after)}\n`,
        ]
      : [
          `boots next so far: ${name(before, once.before)}\n`,
          `${boots}${until}: ${name(after, once.after)}\n`,
        ]),
    ...(once.after === undefined ? [] : [`and after that: ${name(after)}\n`]),
    ...(isDry ? ["Nothing was changed.\n"] : []),
  ].join("");
}
