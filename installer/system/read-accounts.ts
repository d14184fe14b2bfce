import { readBytesIn } from "../../runtime/host/follow-in.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { AccountTexts } from "../toplayer/plan/merge-accounts.ts";

const MAX_ACCOUNT_BYTES = 1024 * 1024;

/**
 * Reads the accounts of a tree that may be hostile.
 * @returns `undefined` where the tree has none, or not all
 * @throws BootError FILE_UNREADABLE
 */
export function readAccounts(
  host: Host,
  tree: string,
): AccountTexts | undefined {
  const read = (name: string) =>
    readBytesIn(host, tree, `etc/${name}`, MAX_ACCOUNT_BYTES)?.toString("utf8");
  const [passwd, group, shadow] = [
    read("passwd"),
    read("group"),
    read("shadow"),
  ];
  if (passwd === undefined || group === undefined || shadow === undefined) {
    return undefined;
  }
  return { passwd, group, shadow, gshadow: read("gshadow") };
}
