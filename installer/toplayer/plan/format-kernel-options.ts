/**
 * How a boot menu entry names a directory.
 * @param path relative to the filesystem's top level
 * @returns `undefined` where it cannot: a colon stands between layers, a quote ends a value
 */
export function formatKernelOptions(
  source: string,
  path: string,
): string | undefined {
  // A name that is not valid UTF-8 is not known here.
  if (/[:"\p{Cc}\ufffd]/u.test(path)) return undefined;
  const value = path.includes(" ") ? `"/${path}"` : `/${path}`;
  return `toplayer=${source} toplayer_path=${value}`;
}
