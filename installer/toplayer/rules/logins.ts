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
  /** Why somebody else may be able to log in, which cannot be told from files that dockroot reads. */
  readonly unread: string | undefined;
}

/** Whoever has these is not meant to log in. */
export const REFUSES = /\/(?:nologin|false)$/;

/** Where systemd looks for units, see systemd.unit(5). */
const UNIT_DIRECTORIES = [
  "/etc/systemd/system",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/lib/systemd/system",
];

/** Files that say who is logged in without being asked. */
interface LoginSource {
  readonly files?: readonly string[];
  /** Directories of which each file counts whose name matches. */
  readonly directories?: readonly string[];
  readonly names?: RegExp;
  /** Files below each directory that matches. */
  readonly below?: RegExp;
  /** Matches the text of a file that logs somebody in. */
  readonly pattern: RegExp;
}

/** Names of services, and of directories of services, that ask on a terminal. */
const TERMINAL = /getty|^autovt@|^kmsconvt@|^autologin|^tty\d/;

/** agetty(8), mingetty(8) and login(1), in a command or in what a script passes on to it. */
const BY_GETTY =
  /^(?![ \t]*[#;]).*(?:--autologin[ =]|getty\b(?:.*\s)?-[A-Za-z]*a[ \t]*[\w$%"']|(?:args|options)=.*[\s"']-[A-Za-z]*a[ \t]*\w|\blogin\b.*\s-[A-Za-z]*f[ \t]*\w)/im;

/** A shell on a terminal, as in an inittab of BusyBox. */
const BY_INITTAB = new RegExp(
  `${BY_GETTY.source}|^[^#\\n]*:(?:respawn|askfirst|once|wait):-?/(?:usr/)?bin/\\w*sh\\b`,
  "im",
);

const LOGIN_SOURCES: readonly LoginSource[] = [
  {
    directories: UNIT_DIRECTORIES,
    names: /(?:getty|^autovt|^kmsconvt|^autologin|^tty).*\.service$/,
    below: /(?:getty|^autovt|^kmsconvt|^autologin|^tty).*\.service\.d$/,
    pattern: BY_GETTY,
  },
  // Of sysvinit, BusyBox, OpenRC, runit and Upstart.
  { files: ["/etc/inittab"], pattern: BY_INITTAB },
  {
    directories: ["/etc/conf.d", "/etc/init", "/etc/default"],
    names: TERMINAL,
    pattern: BY_GETTY,
  },
  {
    directories: ["/etc/sv", "/etc/runit/sv", "/etc/service"],
    below: TERMINAL,
    pattern: BY_GETTY,
  },
  // systemd.system-credentials(7)
  {
    directories: ["/etc/credstore", "/usr/lib/credstore"],
    names: /^agetty\.autologin$/,
    pattern: /\S/,
  },
  {
    files: [
      "/etc/gdm3/custom.conf",
      "/etc/gdm3/daemon.conf",
      "/etc/gdm/custom.conf",
    ],
    pattern: /^[ \t]*AutomaticLogin[ \t]*=[ \t]*\S/m,
  },
  {
    files: ["/etc/sddm.conf", "/etc/plasmalogin.conf"],
    directories: [
      "/etc/sddm.conf.d",
      "/usr/lib/sddm/sddm.conf.d",
      "/etc/plasmalogin.conf.d",
      "/usr/lib/plasmalogin/plasmalogin.conf.d",
    ],
    names: /\.conf$/,
    pattern: /^[ \t]*User[ \t]*=[ \t]*\S/m,
  },
  {
    files: ["/etc/lightdm/lightdm.conf", "/etc/lxdm/lxdm.conf"],
    directories: [
      "/etc/lightdm/lightdm.conf.d",
      "/usr/share/lightdm/lightdm.conf.d",
    ],
    names: /\.conf$/,
    pattern: /^[ \t]*(?:autologin-user|autologin)[ \t]*=[ \t]*\S/m,
  },
  // An initial session, or a session of somebody else than the greeter.
  {
    files: ["/etc/greetd/config.toml"],
    pattern:
      /^[ \t]*\[initial_session\]|^[ \t]*user[ \t]*=[ \t]*["'](?!_?greet)/m,
  },
  {
    files: ["/etc/ly/config.ini"],
    pattern: /^[ \t]*auto_login_user[ \t]*=[ \t]*(?!null\b)\S/m,
  },
  {
    files: ["/etc/slim.conf", "/etc/emptty/conf", "/etc/default/nodm"],
    pattern:
      /^[ \t]*(?:auto_login[ \t]+yes|AUTOLOGIN[ \t]*=[ \t]*true|NODM_ENABLED[ \t]*=[ \t]*["']?true)/im,
  },
];

/** What dockroot does not read: a service manager whose consoles may log somebody in, accounts elsewhere. */
const UNREAD: readonly (readonly [file: string, what: string])[] = [
  ["/etc/dinit.d", "dinit sets up the consoles"],
  ["/etc/s6", "s6 sets up the consoles"],
  ["/etc/s6-rc", "s6 sets up the consoles"],
  ["/etc/66", "66 sets up the consoles"],
  ["/var/lib/systemd/home", "systemd-homed has users"],
  ["/etc/userdb", "/etc/userdb has users"],
  ["/usr/bin/lemurs", "lemurs asks who logs in"],
];

type LoginFiles = Pick<CheckFacts, "texts" | "readText" | "namesIn" | "stands">;

/** As image and top layer leave it. */
export function findLogins(files: LoginFiles): Logins {
  const { texts, readText } = files;
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
    automatic: findAutomatic(files),
    unread: findUnread(files),
    homesAreMounted: entries.some(({ mountPoint }) =>
      ["/home", "/root"].includes(mountPoint),
    ),
  };
}

function findAutomatic(files: LoginFiles): string | undefined {
  for (const source of LOGIN_SOURCES) {
    const found = listFiles(files, source).find((file) =>
      source.pattern.test(files.readText(file) ?? ""),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

function listFiles(
  { namesIn }: LoginFiles,
  { files = [], directories = [], names, below }: LoginSource,
): string[] {
  const listIn = (directory: string, pattern: RegExp | undefined) =>
    namesIn(directory)
      .filter((name) => pattern?.test(name))
      .map((name) => path.join(directory, name));
  return [
    ...files,
    ...directories.flatMap((directory) => [
      ...listIn(directory, names),
      ...listIn(directory, below).flatMap((inner) => listIn(inner, /./)),
    ]),
  ];
}

function findUnread({ stands, readText }: LoginFiles): string | undefined {
  const [service] =
    /\b(?:sss|ldap|winbind|nis)\b/.exec(
      /^passwd:(.*)$/m.exec(readText("/etc/nsswitch.conf") ?? "")?.[1] ?? "",
    ) ?? [];
  if (service !== undefined) {
    return `/etc/nsswitch.conf takes users from ${service}, too`;
  }
  return UNREAD.find(([file]) => stands(file))?.[1];
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
