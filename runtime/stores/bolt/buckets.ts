import type { BoltBucket } from "./bolt.ts";

/** The bucket at the end of a path of buckets. @throws BoltError */
export function bucketAt(
  from: BoltBucket | undefined,
  names: readonly string[],
): BoltBucket | undefined {
  return names.reduce<BoltBucket | undefined>(
    (bucket, name) => bucket?.bucket(name),
    from,
  );
}

/** The names of the buckets in a bucket. @throws BoltError */
export function listBuckets(bucket: BoltBucket | undefined): string[] {
  const names: string[] = [];
  bucket?.each("", (key, entry) => {
    if (entry.kind === "bucket") names.push(key.toString("utf8"));
    return true;
  });
  return names;
}
