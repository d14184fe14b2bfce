import path from "node:path";
import {
  isPassword,
  parsePasswd,
  parseShadow,
} from "../../system/formats/parse-accounts.ts";
import { parseFstab } from "../../system/formats/fstab.ts";
import type { CheckFacts } from "./check-facts.ts";

/** Who can log in to the new system. */
export interface Logins {
  /** Why nothing can be said of them. */
  readonly unchecked: string | undefined;
  /** Who has a password, and a shell to log in with. */
  readonly byPassword: readonly string[];
  readonly byKey: readonly string[];
  /** The file that says who is logged in without being asked. */
  readonly automatic: string | undefined;
  /** Homes are mounted from elsewhere: keys may be there. */
  readonly homesAreMounted: boolean;
}

/** Whoever has these is not meant to log in. */
export const REFUSES = /\/(?:nologin|false)$/;

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

/** As image and top layer leave it. */
export function findLogins({
  texts,
  readText,
  namesIn,
}: Pick<CheckFacts, "texts" | "readText" | "namesIn">): Logins {
  const { passwd, shadow, fstab } = texts;
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
    hasKey(readText(path.join(home, ".ssh/authorized_keys"))),
  );
  const { entries } = parseFstab(fstab.text ?? "");
  return {
    unchecked: describeUnchecked(texts),
    byPassword: byPassword.map(({ name }) => name),
    byKey: byKey.map(({ name }) => name),
    automatic: [
      ...DISPLAY_MANAGERS,
      ...[...CONSOLES, ...DROP_INS].flatMap((directory) =>
        namesIn(directory).map((name) => path.join(directory, name)),
      ),
    ].find((file) => AUTOMATIC.test(readText(file) ?? "")),
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
