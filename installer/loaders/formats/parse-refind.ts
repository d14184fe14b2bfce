import { joinTitles, stubInitrds, type ParsedEntry } from "./boot-entry.ts";
import { splitRefindLine } from "./refind-tokens.ts";

/** What a refind.conf says. */
export interface RefindConfig {
  readonly entries: readonly ParsedEntry[];
  /** Files that are read besides, from the same directory. */
  readonly includes: readonly string[];
}

interface Stanza {
  title: string;
  kernel: string | undefined;
  initrds: string[];
  options: string;
  isDisabled: boolean;
}

/**
 * Parses a refind.conf: its manual boot stanzas, and the entries of their submenus.
 * @see https://www.rodsbooks.com/refind/configfile.html#stanzas
 */
export function parseRefind(text: string): RefindConfig {
  const entries: ParsedEntry[] = [];
  const includes: string[] = [];
  let menu: Stanza | undefined;
  let below: Stanza | undefined;
  /** They come after the stanza that they vary, whose lines may follow them. */
  let belows: Stanza[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [word = "", ...values] = splitRefindLine(line);
    const key = word.toLowerCase();
    if (menu === undefined) {
      if (key === "menuentry") menu = openStanza(values[0]);
      else if (key === "include") includes.push(...values.slice(0, 1));
    } else if (key === "submenuentry") {
      below = { ...inherit(menu), title: titleBelow(menu, values[0]) };
    } else if (key === "}") {
      if (below === undefined) {
        const shown = menu.isDisabled ? [] : [menu, ...belows];
        entries.push(...shown.filter(isShown).map(toEntry));
        [menu, belows] = [undefined, []];
      } else {
        belows.push(below);
        below = undefined;
      }
    } else {
      setValue(below ?? menu, key, values);
    }
  }
  return { entries, includes };
}

function openStanza(title: string | undefined): Stanza {
  return {
    ...{ title: withoutBrace(title), kernel: undefined },
    ...{ initrds: [], options: "", isDisabled: false },
  };
}

function titleBelow({ title }: Stanza, own: string | undefined): string {
  return joinTitles(title, withoutBrace(own));
}

function withoutBrace(title: string | undefined): string {
  return title === undefined || title === "{" ? "" : title;
}

function inherit(menu: Stanza): Stanza {
  return { ...menu, initrds: [...menu.initrds] };
}

function setValue(
  stanza: Stanza,
  key: string,
  values: readonly string[],
): void {
  const [first] = values;
  if (key === "loader") stanza.kernel = first;
  else if (key === "initrd") stanza.initrds = values.slice(0, 1);
  else if (key === "options") stanza.options = values.join(" ");
  else if (key === "add_options") {
    stanza.options = [stanza.options, ...values].join(" ").trim();
  } else if (key === "disabled") stanza.isDisabled = true;
}

function isShown({ isDisabled, kernel }: Stanza): boolean {
  return !isDisabled && kernel !== undefined;
}

function toEntry({ title, kernel, initrds, options }: Stanza): ParsedEntry {
  return {
    ...{ title, kernel, options },
    initrds: [...initrds, ...stubInitrds(options)],
  };
}
