import path from "node:path";
import {
  parsePasswd,
  parseShadow,
  isPassword,
} from "../system/formats/parse-accounts.ts";
import type { CheckFacts } from "../toplayer/rules/check-facts.ts";
import { parseFstab } from "../system/formats/fstab.ts";
import type { LoginFacts } from "./rules/facts.ts";
import { readBytesIn, followIn } from "../../runtime/host/follow-in.ts";
import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import type { ListedLayer } from "../../runtime/tree/layer.ts";

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
  { texts }: Pick<CheckFacts, "texts">,
  files: FinalFiles,
): LoginFacts {
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
    hasKey(files.readText(path.join(home, ".ssh/authorized_keys"))),
  );
  const { entries } = parseFstab(fstab.text ?? "");
  return {
    unchecked: describeUnchecked(texts),
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

/** Files of the new root, as image and top layer leave them. */
interface FinalFiles {
  /** `undefined` where there is none that can be read. */
  readText(file: string): string | undefined;
  /** The names in a directory. */
  namesIn(directory: string): string[];
}

const MAX_TEXT_BYTES = 1024 * 1024;

/** @param image the image's tree */
export function createFinalFiles(
  host: Host,
  layers: readonly ListedLayer[],
  image: string,
  { entries }: Pick<CheckFacts, "entries">,
): FinalFiles {
  const pathState = entries.filter(({ isCovered }) => !isCovered);
  const byLayers = new Map(pathState.map((entry) => [entry.target, entry]));
  const readText = (file: string): string | undefined => {
    const entry = byLayers.get(file);
    if (entry === undefined || entry.effect === "merge") {
      return unlessUnreadable(() =>
        readBytesIn(host, image, file, MAX_TEXT_BYTES),
      );
    }
    const layer = layers[entry.layer];
    if (entry.kind !== "file" || layer === undefined) return undefined;
    if (!["add", "replace"].includes(entry.effect)) return undefined;
    const whole = Buffer.from(path.join(layer.at, entry.path));
    return unlessUnreadable(
      () => host.files.readStart(whole, MAX_TEXT_BYTES)?.bytes,
    );
  };
  const namesIn = (directory: string): string[] => {
    const inImage = followIn(host, image, directory);
    const names = inImage === undefined ? [] : host.files.namesIn(inImage);
    const added = pathState
      .filter(({ effect }) => ["add", "replace"].includes(effect))
      .filter(({ target }) => path.dirname(target) === directory)
      .map(({ target }) => path.basename(target));
    return [...new Set([...names, ...added])];
  };
  return { readText, namesIn };
}

function unlessUnreadable(read: () => Buffer | undefined): string | undefined {
  try {
    return read()?.toString("utf8");
  } catch (error) {
    if (!(error instanceof BootError)) throw error;
    return undefined;
  }
}
