/**
 * What keeps rEFInd from showing an entry of its configuration.
 * @see https://www.rodsbooks.com/refind/configfile.html (scanfor)
 */
export function checkRefindConfig(file: string, text: string): string[] {
  const scanned = [...text.matchAll(/^[ \t]*scanfor\b(.*)$/gm)].at(-1)?.[1];
  return scanned === undefined || /\bmanual\b/.test(scanned)
    ? []
    : [`${file} shows no entries of its own: add manual to its line scanfor`];
}

/** What keeps GRUB from reading custom.cfg, which grub-mkconfig includes by /etc/grub.d/41_custom. */
export function checkGrubConfig(file: string, text: string): string[] {
  return text.includes("custom.cfg")
    ? []
    : [
        `${file} does not read custom.cfg: make it anew with grub-mkconfig -o ${file}, with /etc/grub.d/41_custom there and executable`,
      ];
}
