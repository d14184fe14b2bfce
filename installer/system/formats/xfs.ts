/** How long the part of a superblock is that tells it. */
export const XFS_SUPERBLOCK_BYTES = 512;

const MAGIC = "XFSB";
const VERSION_AT = 100;
const FEATURES2_AT = 200;
const FILE_TYPES = 0x200;

/**
 * Whether directories of an xfs say what kind of file each name is (`ftype=1`, which version 5 of the format always has).
 * @returns `undefined` where it is no superblock of an xfs
 * @see https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git (Superblocks)
 */
export function hasFileTypes(superblock: Buffer): boolean | undefined {
  const isWhole = superblock.length >= XFS_SUPERBLOCK_BYTES;
  if (!isWhole || superblock.toString("latin1", 0, 4) !== MAGIC) {
    return undefined;
  }
  const version = superblock.readUInt16BE(VERSION_AT) & 0xf;
  const features = superblock.readUInt32BE(FEATURES2_AT);
  return version >= 5 || (features & FILE_TYPES) !== 0;
}
