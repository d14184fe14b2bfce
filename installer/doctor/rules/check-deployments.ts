import { nameDeployment } from "../../deploy/plan/deployments.ts";
import type {
  BootsNextFacts,
  DeploymentsFacts,
  DoctorFacts,
  StartFacts,
} from "./facts.ts";
import { isBootedNext, soften } from "./boots-next.ts";
import { keepAgain, restore } from "./check-entries.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";

const WRITE_AGAIN = "Run dockroot gc: it writes the menu again.";

type ReadDeployments = DeploymentsFacts & { readonly kind: "read" };

/** Which deployments there are, and whether they have what they need. */
export function* checkDeployments(
  start: StartFacts,
  facts: DoctorFacts,
): Iterable<Finding> {
  const { deployments: known } = start;
  const { starts, bootsNext } = facts;
  if (known === undefined) return;
  if (known.kind === "damaged") {
    const { message, causes, hint } = known.failure;
    yield warning(
      "deployments",
      [message, ...causes].join(": "),
      hint ?? "Correct what the message names.",
    );
    return;
  }
  const { deployments, running, next } = known;
  const menu = bootsNext?.rwlayer === known.rwlayer ? bootsNext : undefined;
  if (menu !== undefined) yield* checkNext(known, menu);
  const isNext = menu?.kind !== "read" || menu.next === next;
  const entries = starts.flatMap((start) => start.entries);
  // What keeps a root from being made is told of the boot that would make it.
  const told = starts
    .filter(({ outcome }) => outcome.kind === "failed")
    .flatMap(({ entries }) => entries)
    .map(({ deployed }) => deployed?.n);
  for (const deployment of deployments) {
    const { n, isKept, image, options } = deployment;
    const name = nameDeployment(deployment);
    const what = [
      ...(n === running ? ["runs"] : []),
      ...(n === next ? [isNext ? "boots next" : "is to boot next"] : []),
    ];
    if (what.length > 0)
      yield ok("deployments", `${name} ${what.join(", and ")}`);
    if (!isKept && !told.includes(n)) {
      yield warning(
        "deployments",
        `${name}: its image ${image.id} is kept no longer`,
        keepAgain([n]),
      );
    }
    const files =
      menu?.kind === "read"
        ? menu.bootFiles.find((each) => each.n === n)
        : undefined;
    if (files?.areIntact === false) {
      const found = stops(
        "deployments",
        `${name}: kernel or initramfs is missing, or differs from what was deployed`,
        restore(deployment),
      );
      yield soften(found, isBootedNext(start, facts, n));
    }
    // Its options name its rwlayer, and it.
    const isSeen = entries.some(
      ({ deployed: own }) => own?.deployment?.options === options,
    );
    if (menu?.kind === "read" && !menu.entries.includes(n)) {
      yield warning(
        "deployments",
        `${name} is not in the menu of ${menu.loader}`,
        WRITE_AGAIN,
      );
    } else if (menu?.kind !== "read" && !isSeen) {
      yield unknown(
        "deployments",
        `${name} is in no boot menu that is mounted`,
        "Mount the partition with the boot menu, and run dockroot doctor again; dockroot gc writes the menu again.",
      );
    }
  }
}

/** Whether the boot loader boots what the deployments say. */
function* checkNext(
  { next }: ReadDeployments,
  menu: BootsNextFacts,
): Iterable<Finding> {
  if (next === null) return;
  const called = `deployment ${String(next)}`;
  if (menu.kind === "unseen") {
    yield unknown(
      "deployments",
      `cannot tell whether the boot menu boots ${called} next: ${menu.why}`,
    );
    return;
  }
  const { loader, once, readOnly, fallsBack } = menu;
  if (!fallsBack) {
    yield unknown(
      "deployments",
      `${loader} does not count boots: of a new deployment whose kernel dies before dockroot begins nobody knows`,
      "Should that happen, choose the former one in the menu.",
    );
  }
  for (const at of readOnly) {
    yield warning(
      "deployments",
      `${at}, where the boot menu or the kernels are, is mounted read-only: upgrade, rollback and gc are refused`,
      `See why (dmesg | tail), and run mount -o remount,rw ${at}.`,
    );
  }
  if (menu.entries.includes(next) && menu.next !== next) {
    const other =
      menu.next === undefined
        ? "another entry"
        : `deployment ${String(menu.next)}`;
    yield warning(
      "deployments",
      `${called} is to boot next, but the menu of ${loader} boots ${other}`,
      WRITE_AGAIN,
    );
  }
  if (once?.n === next || once === undefined) return;
  yield once.n === undefined
    ? warning(
        "deployments",
        `${loader} boots ${once.name} next, once, and then ${called}`,
        `If that is not meant, run ${once.takeBack}.`,
      )
    : ok(
        "deployments",
        `deployment ${String(once.n)} boots next, once, and then ${called}`,
      );
}
