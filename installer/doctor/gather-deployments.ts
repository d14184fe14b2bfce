import { BootError } from "../../runtime/base/errors.ts";
import { describeFailure } from "../../runtime/base/failure.ts";
import type { Disk } from "../../runtime/disk/disk.ts";
import { listKeptImages } from "../../runtime/disk/kept-images.ts";
import type { Host } from "../../runtime/host/host.ts";
import { hashBootFiles } from "../deploy/boot-files.ts";
import { readDeployments } from "../../runtime/disk/deployments-file.ts";
import { readBooted } from "../deploy/deploy-disk.ts";
import { inMenu } from "../deploy/plan/deployments.ts";
import { isLoaderName } from "../loaders/formats/boot-loader.ts";
import { findDeployment } from "../loaders/formats/deployment-names.ts";
import type { DeploymentsFacts, EntryFacts } from "./rules/facts.ts";

/** @returns `undefined` where the rwlayer has none */
export function gatherDeployments(disk: Disk): DeploymentsFacts | undefined {
  const { host, paths } = disk;
  try {
    const state = readDeployments(disk);
    const shown = inMenu(state);
    if (shown.length === 0) return undefined;
    const kept = new Set<string>(listKeptImages(disk).map(({ id }) => id));
    return {
      kind: "read",
      rwlayer: paths.rwlayer,
      running: findRunning(host, paths.rwlayer),
      next: state.next,
      menuOf: {
        given: isLoaderName(state.loader) ? state.loader : undefined,
        menuUuid: state.menuFilesystem ?? undefined,
      },
      deployments: shown.map((deployment) => ({
        ...deployment,
        isKept: kept.has(deployment.image.id),
      })),
    };
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return { kind: "damaged", failure: describeFailure(error) };
  }
}

function findRunning(host: Host, rwlayer: string): number | undefined {
  try {
    const booted = readBooted(host);
    return booted?.rwlayer === rwlayer
      ? (booted.deployment ?? undefined)
      : undefined;
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    // Of a damaged boot.json `status` tells.
    return undefined;
  }
}

/** What an entry has of its deployment. @param files kernel and initramfs, where they are seen */
export function gatherDeployed(
  host: Host,
  options: string,
  files: readonly (string | undefined)[],
  known: DeploymentsFacts | undefined,
): EntryFacts["deployed"] {
  const { n, rwlayer } = findDeployment(options) ?? {};
  if (known?.kind !== "read" || n === undefined || known.rwlayer !== rwlayer) {
    return undefined;
  }
  const deployment = known.deployments.find((each) => each.n === n);
  const found = files.flatMap((file) => file ?? []);
  if (deployment === undefined || found.length < files.length) {
    return { n, deployment, areIntact: undefined };
  }
  const { digest, files: names } = deployment.kernel;
  const copies = found.map((file, index) => ({
    from: host.path(file),
    name: names[index] ?? "",
  }));
  return { n, deployment, areIntact: hashBootFiles(host, copies) === digest };
}
