import { listNames } from "../../../runtime/base/shorten.ts";
import { type DoctorFacts, type TreeFacts, treesOf } from "./facts.ts";
import { ok, stops, unknown, warning, type Finding } from "./finding.ts";

const SET_PASSWORD =
  "Set root's password in the top layer's etc/shadow: openssl passwd -6 makes what stands in the second field.";

/** Whether anybody can log in: by a password, by a key, or without being asked. */
export function checkLogins(facts: DoctorFacts): Finding[] {
  const isItself = facts.target?.found.kind === "itself";
  return treesOf(facts).map((tree) => checkTree(tree, isItself));
}

function checkTree(
  { what, logins, hasTopLayer }: TreeFacts,
  isItself: boolean,
): Finding {
  const { unchecked, byPassword, byKey, automatic, homesAreMounted } = logins;
  if (unchecked !== undefined) {
    return unknown(
      "logins",
      `${what}: who can log in is not known: ${unchecked}`,
    );
  }
  if (byPassword.length > 0) {
    return ok("logins", `${what}: ${listNames(byPassword)} can log in`);
  }
  if (automatic !== undefined) {
    return ok("logins", `${what}: ${automatic} logs somebody in`);
  }
  if (byKey.length > 0) {
    return warning(
      "logins",
      `${what}: nobody has a password; ${listNames(byKey)} can log in by ssh alone`,
      SET_PASSWORD,
    );
  }
  const nobody = `${what}: nobody can log in: root and all others are locked`;
  if (isItself || !hasTopLayer) {
    return warning(
      "logins",
      `${nobody}, unless a top layer brings a password`,
      "dockroot toplayer init makes a top layer with this machine's accounts.",
    );
  }
  return homesAreMounted
    ? warning(
        "logins",
        `${nobody}, unless a key for ssh is in a home that is mounted`,
        SET_PASSWORD,
      )
    : stops("logins", nobody, SET_PASSWORD);
}
