/**
 * Fast path: extracts one repository's entry of Docker's `repositories.json` without parsing the whole
 * file, which takes six times as long with ten thousand repositories.
 *
 * Docker writes the file with Go's json.Marshal: one object of objects of texts, without white space. A
 * text that is as a whole like that, and has neither escapes nor braces in its texts, is valid JSON, and
 * each quote in it begins or ends a text: a name in quotes with `:{` behind can only be a key of the outer
 * object. Whatever else is there, cut off at the end or edited by hand, is left to JSON.parse.
 *
 * @returns with no other repository than that; `{}` where the text is not so, or does not have it once
 * @see https://github.com/moby/moby/blob/v28.5.2/reference/store.go
 */
export function pickRepository(
  text: string,
  name: string,
): Readonly<Record<string, unknown>> {
  // The end of a text, with what can follow it, would pass for the beginning of such a name.
  if (/^(?:[:,}]|$)/.test(name)) return {};
  const quoted = JSON.stringify(name);
  const at = findOnly(text, `${quoted}:{`);
  if (at === undefined || !isAsWritten(text)) return {};
  const begin = at + quoted.length + 1;
  const references = text.slice(begin, text.indexOf("}", begin) + 1);
  return { [name]: JSON.parse(references) as unknown };
}

const OUTER = '{"Repositories":{';

/** Where it is in the outer object; `undefined` where it is not there once. */
function findOnly(text: string, part: string): number | undefined {
  const at = text.indexOf(part, OUTER.length);
  return at < 0 || text.includes(part, at + 1) ? undefined : at;
}

const STRING = String.raw`"[^"\\{}\0-\x1f]*"`;
const FIRST = String.raw`${STRING}:\{`;
const MEMBER = `${STRING}:${STRING}`;
const MEMBER_BEFORE_ANOTHER = String.raw`${MEMBER}(?:,|\},${STRING}:\{)`;
const LAST = String.raw`${MEMBER}\}\}\}`;
/** One match of all would keep a way back for each member: in a large file more than V8 allows. */
const MEMBERS_AT_ONCE = 1000;

function isAsWritten(text: string): boolean {
  if (!text.startsWith(OUTER)) return false;
  const members = new RegExp(
    `(?:${MEMBER_BEFORE_ANOTHER}){0,${String(MEMBERS_AT_ONCE)}}`,
    "y",
  );
  let end = endOf(new RegExp(FIRST, "y"), text, OUTER.length);
  let at = -1;
  while (end > at) {
    at = end;
    end = endOf(members, text, at);
  }
  return endOf(new RegExp(LAST, "y"), text, end) === text.length;
}

/** Where a match that begins there ends; -1 where there is none. */
function endOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : -1;
}
