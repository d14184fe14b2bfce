import fs from "fs-extra";
import path from "node:path";
import { run } from "../../fixtures/run.ts";
import { STATE } from "./deploy-scenarios.ts";

/** What somebody else has put where dockroot would put its own, and what comes of an upgrade. */
export const STRANGERS: Readonly<
  Record<
    string,
    {
      readonly put: (top: string, own: OwnPlaces) => Promise<void> | void;
      readonly says: RegExp | undefined;
    }
  >
> = {
  "a subvolume where the image is to be kept": {
    put: (top, { image }) => makeSubvolume(`${top}/${image}`),
    says: /has no valid/,
  },
  "a directory where the image is to be kept": {
    put: (top, { image }) => {
      fs.outputFileSync(`${top}/${image}/precious`, "mine\n");
    },
    says: /has no valid/,
  },
  "other files where the boot files are to be": {
    put: (top, { bootFiles }) => {
      fs.outputFileSync(`${top}/${bootFiles}/linux`, "mine\n");
    },
    says: /has other files/,
  },
  "a file where the directory of boot files is to be": {
    put: (top) => {
      fs.removeSync(`${top}/dockroot`);
      fs.writeFileSync(`${top}/dockroot`, "mine\n");
    },
    says: /dockroot is not a directory/,
  },
  "a damaged deployments.json": {
    put: (top) => {
      fs.outputFileSync(`${top}/${STATE}`, '{"version": 1, "depl');
    },
    says: /deployments\.json is damaged/,
  },
  "a deployments.json of a newer dockroot": {
    put: (top) => {
      fs.outputFileSync(`${top}/${STATE}`, '{"version": 2}');
    },
    says: /was written by a newer dockroot/,
  },
  "a dockroot.cfg of somebody else's": {
    put: (top) => {
      fs.writeFileSync(`${top}/grub/dockroot.cfg`, "set color_normal=red\n");
    },
    says: undefined,
  },
  "half of a block in custom.cfg": {
    put: (top) => {
      fs.appendFileSync(
        `${top}/grub/custom.cfg`,
        "# dockroot deployments: begin\n",
      );
    },
    says: /do not pair/,
  },
};

export interface OwnPlaces {
  /** The subvolume. */
  readonly image: string;
  readonly bootFiles: string;
}

async function makeSubvolume(place: string): Promise<void> {
  fs.mkdirpSync(path.dirname(place));
  await run(["btrfs", "subvolume", "create", place]);
  fs.writeFileSync(`${place}/precious`, "mine\n");
}
