import fs from "fs-extra";
import { run } from "../../../fixtures/run.ts";

const MAKE = String.raw`
mkdir -p usr/bin run/lock var
cp -a bin/. sbin/. usr/bin; cp -a lib/. usr/lib; rm -r bin sbin lib
ln -s usr/lib lib; ln -s usr/bin bin; ln -s usr/bin sbin
ln -s /run var/run; ln -s /run/lock var/lock
`;

/** The ways of the merged layout: a link of the tree, and the directory that it leads to. */
export const WAYS: readonly (readonly [link: string, directory: string])[] = [
  ["bin", "usr/bin"],
  ["lib", "usr/lib"],
  ["sbin", "usr/bin"],
  ["var/lock", "run/lock"],
  ["var/run", "run"],
];

/** Gives the small system's tree the layout that distributions have today. */
export async function mergeUsr(tree: string): Promise<void> {
  await run(["sh", "-ec", MAKE], { cwd: tree });
}

/** What a container's engine puts its own files on, and leaves. */
export function addEngineArtifacts(tree: string): void {
  for (const file of [".dockerenv", "etc/resolv.conf", "etc/hosts"]) {
    fs.writeFileSync(`${tree}/${file}`, "");
  }
}
