import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { InitramfsImage } from "../generators/generator.ts";
import { keepReplaced, type Telling } from "./apply-install.ts";
import { buildImages, imagesToPlace, runAfterwards } from "./build-images.ts";
import type { Change } from "./plan/change.ts";
import type { Uninstall } from "./gather-uninstall.ts";
import { EXECUTABLE } from "./image-needs.ts";
import { listImage } from "./look-into-image.ts";
import { FORMER_DIRECTORY } from "./plan/manifest.ts";
import { inTransaction } from "./transaction.ts";

/**
 * Takes the files back and builds the images without them; or changes nothing.
 * @returns what went wrong when all was taken back
 * @throws BootError
 */
export async function applyUninstall(
  host: Host,
  { generator, changes, builds, newImages, manifest, warnings }: Uninstall,
  telling: Telling,
): Promise<string[]> {
  const check = async ({ builtAt, path }: InitramfsImage) => {
    if (generator === undefined) return;
    const files = await listImage(host, generator, builtAt);
    if (!files.some((file) => file.path === "usr/bin/dockroot")) return;
    throw new BootError(
      "INSTALL_FAILED",
      `${path}, as ${generator.name} has built it, still has dockroot in it`,
      { hint: "Another hook or module brings it: remove that first." },
    );
  };
  const isLate = ({ kind, path }: Change) =>
    kind === "remove" && path === EXECUTABLE;
  const late = changes.filter(isLate).map(({ path }) => path);
  const early = changes.filter((change) => !isLate(change));
  await inTransaction(
    host,
    [...keepReplaced(builds), ...early],
    () => buildImages(host, builds, { ...telling, check }),
    {
      images: imagesToPlace(builds),
      // Without the executable nothing could take an interrupted run back.
      files: [...newImages, ...late],
      directories: [...manifest.directories.toReversed(), FORMER_DIRECTORY],
    },
  );
  const more = await runAfterwards(host, builds);
  return [...warnings, ...more];
}
