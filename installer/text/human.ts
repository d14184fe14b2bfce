const SIZE_UNITS = ["kB", "MB", "GB", "TB", "PB"];

/** A size as disks are sold by: 1 kB are 1000 bytes. pretty-bytes would cut 1999 bytes to 1.9 kB. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${String(bytes)} B`;
  let size = bytes;
  let unit = "B";
  for (const next of SIZE_UNITS) {
    if (size < 999.95) break;
    size /= 1000;
    unit = next;
  }
  return `${size.toFixed(1)} ${unit}`;
}

export function formatMs(ms: number): string {
  if (ms < 999.95) return `${ms.toFixed(1)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toFixed(2)} s`;
  const seconds = Math.round(ms / 1000);
  return `${String(Math.floor(seconds / 60))} min ${String(seconds % 60)} s`;
}
