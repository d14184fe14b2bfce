/** What the kernel takes as arguments of one program is a multiple of it. */
const MAX_ARGUMENT_BYTES = 256 * 1024;

/** As many paths at a time as a program takes for arguments. */
export function* inBatches(paths: readonly string[]): Generator<string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const path of paths) {
    batch.push(path);
    bytes += path.length;
    if (bytes < MAX_ARGUMENT_BYTES) continue;
    yield batch;
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) yield batch;
}
