import type { Confirm } from "../cli/cli-context.ts";
import { isPassword, parseShadow } from "../system/formats/parse-accounts.ts";
import {
  ownUsers,
  type AccountTexts,
  type ChosenAccounts,
} from "./plan/merge-accounts.ts";

/**
 * Asks which of this machine's accounts go into the top layer.
 */
export async function chooseAccounts(
  machine: AccountTexts | undefined,
  confirm: Confirm,
): Promise<ChosenAccounts> {
  if (machine === undefined) return { users: [], root: false };
  const passwords = new Map(
    parseShadow(machine.shadow).entries.map(({ name, password }) => [
      name,
      password,
    ]),
  );
  const root =
    isPassword(passwords.get("root")) &&
    (await confirm("Take over root's password?"));
  const users: string[] = [];
  for (const { name, uid } of ownUsers(machine)) {
    const password = isPassword(passwords.get(name))
      ? "with the password"
      : "who has no password";
    if (
      await confirm(`Take over the user ${name} (${String(uid)}), ${password}?`)
    ) {
      users.push(name);
    }
  }
  return { users, root };
}
