/**
 * A file as a boot loader names it, without what says on which volume it is: GRUB's `(hd0,gpt2)/x`,
 * Limine's `boot():/x` and `boot:///x` with or without a hash, and EFI's `\x`.
 * @returns a path from the volume's top level, with a slash before it
 */
export function pathOnVolume(named: string): string {
  const path = named
    .replace(/^\$(?=\w+\()/, "")
    .replace(/^\([^)]*\)/, "")
    .replace(/^\w+\([^)]*\):/, "")
    .replace(/^(?:boot|hdd|odd|guid|uuid|fslabel):\/\/[^/]*/, "")
    .replace(/#[0-9a-f]{128}$/i, "")
    .replaceAll("\\", "/");
  return `/${path.replace(/^\/+/, "")}`;
}
