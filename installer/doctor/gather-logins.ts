import path from "node:path";
import {
  parsePasswd,
  parseShadow,
  isPassword,
} from "../system/formats/parse-accounts.ts";
import type { CheckFacts } from "../toplayer/rules/check-facts.ts";
import { parseFstab } from "../system/formats/fstab.ts";
import type { LoginFacts } from "./rules/facts.ts";

/** Who has these is not meant to log in. */
const REFUSES = /\/(?:nologin|false)$/;

const CONSOLES = ["getty@", "getty@tty1", "serial-getty@"].map(
  (unit) => `/etc/systemd/system/${unit}.service.d`,
);

const DISPLAY_MANAGERS = [
  "/etc/gdm3/custom.conf",
  "/etc/gdm3/daemon.conf",
  "/etc/gdm/custom.conf",
  "/etc/sddm.conf",
  "/etc/lightdm/lightdm.conf",
  "/etc/lxdm/lxdm.conf",
];

const DROP_INS = ["/etc/sddm.conf.d", "/etc/lightdm/lightdm.conf.d"];

/** As getty, gdm, sddm and lightdm are told to; of gdm and lightdm there are commented examples. */
const AUTOMATIC =
  /^[ \t]*(?:[^#;\n]*--autologin|(?:AutomaticLogin|autologin-user|autologin|User)[ \t]*=[ \t]*[^\s])/m;

/** Who can log in to the new system. */
export function gatherLogins(
  files: Pick<CheckFacts, "texts" | "readText" | "namesIn">,
): LoginFacts {
  const { passwd, shadow, fstab } = files.texts;
  const shadows = new Map(
    parseShadow(shadow.text ?? "").entries.map(({ name, password }) => [
      name,
      password,
    ]),
  );
  const people = parsePasswd(passwd.text ?? "").entries.filter(
    ({ shell }) => !REFUSES.test(shell),
  );
  const byPassword = people.filter(({ name, password }) => {
    const own = password === "x" ? shadows.get(name) : password;
    return own === "" || isPassword(own);
  });
  const byKey = people.filter(({ home }) =>
    hasKey(files.readText(path.join(home, ".ssh/authorized_keys"))),
  );
  const { entries } = parseFstab(fstab.text ?? "");
  return {
    unchecked: describeUnchecked(files.texts),
    byPassword: byPassword.map(({ name }) => name),
    byKey: byKey.map(({ name }) => name),
    automatic: [
      ...DISPLAY_MANAGERS,
      ...[...CONSOLES, ...DROP_INS].flatMap((directory) =>
        files.namesIn(directory).map((name) => path.join(directory, name)),
      ),
    ].find((file) => AUTOMATIC.test(files.readText(file) ?? "")),
    homesAreMounted: entries.some(({ mountPoint }) =>
      ["/home", "/root"].includes(mountPoint),
    ),
  };
}

function describeUnchecked(texts: CheckFacts["texts"]): string | undefined {
  for (const file of ["passwd", "shadow"] as const) {
    const { unchecked } = texts[file];
    if (unchecked !== undefined) return `/etc/${file} ${unchecked}`;
  }
  return texts.passwd.text === undefined
    ? "there is no /etc/passwd"
    : undefined;
}

function hasKey(text: string | undefined): boolean {
  return text?.split("\n").some((line) => /^\s*[^#\s]/.test(line)) ?? false;
}
