/** What a top layer holds, its own directory not counted; of several, all that they hold. */
export interface TopLayerRecord {
  /** How the user calls it. */
  readonly name: string;
  /**
   * Changes with every name, kind, owner, mode, size, link, device number and time in the tree, those
   * of the last change of an inode included: contents and xattrs cannot change without one of them.
   */
  readonly digest: string;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  /** FIFOs, devices and sockets. */
  readonly others: number;
  /** The apparent size of the files. */
  readonly bytes: number;
}
