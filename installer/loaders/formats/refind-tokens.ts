/**
 * The words of a line, as rEFInd splits it: blanks, commas and equals signs separate them, double
 * quotes protect those, two double quotes within quotes are one, and `#` begins a comment.
 * @see https://www.rodsbooks.com/refind/configfile.html
 */
export function splitRefindLine(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    if (character === '"') {
      if (isQuoted && line.charAt(at + 1) === '"') {
        word = `${word ?? ""}"`;
        at += 1;
        continue;
      }
      isQuoted = !isQuoted;
      word ??= "";
    } else if (!isQuoted && character === "#") {
      break;
    } else if (!isQuoted && /[\s,=]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
