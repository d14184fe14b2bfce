import { BootError } from "../base/errors.ts";
import { isSameOrBelow } from "../base/is-below.ts";
import { DOCKROOT_DIRECTORY } from "./rwlayer-names.ts";

/** Directories on the top level that must not overlap; relative, symlinks resolved. */
interface Places {
  readonly rwlayer: string;
  readonly storePath: string;
  /** Where the top layer is, if it lies on the root filesystem itself. */
  readonly topLayer?: string | undefined;
}

/** @throws BootError RWLAYER_UNSUITABLE, TOPLAYER_UNSUITABLE */
export function refuseOverlap({ rwlayer, storePath, topLayer }: Places): void {
  if (isSameOrBelow(rwlayer, storePath) || isSameOrBelow(storePath, rwlayer)) {
    const message = `the rwlayer ${rwlayer} and the image store ${storePath} overlap`;
    throw new BootError("RWLAYER_UNSUITABLE", message, {
      hint: "Give the rwlayer a path of its own, for example rootflags=subvol=docker_rwlayer.",
    });
  }
  if (topLayer === undefined) return;
  const inside = [storePath, rwlayer, DOCKROOT_DIRECTORY].find((other) =>
    isSameOrBelow(other, topLayer),
  );
  if (inside !== undefined) {
    const message = `the top layer /${topLayer} contains ${inside}, which cannot be copied into itself`;
    throw new BootError("TOPLAYER_UNSUITABLE", message, {
      hint: "Name the directory of this machine's own files with toplayer_path=, for example toplayer_path=boot_docker.",
    });
  }
  const around = [rwlayer, DOCKROOT_DIRECTORY].find((other) =>
    isSameOrBelow(topLayer, other),
  );
  if (around !== undefined) {
    const message = `the top layer /${topLayer} is inside ${around}, which is made anew at every boot`;
    throw new BootError("TOPLAYER_UNSUITABLE", message, {
      hint: "Move it to a directory of its own on the filesystem's top level, and correct toplayer_path=.",
    });
  }
}
