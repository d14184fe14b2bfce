import t from "tap";
import { countFiles } from "../../../installer/deploy/count-changes.ts";

// btrfs-progs 6.2: btrfs subvolume find-new DIR 7
const FOUND = `inode 258 file offset 0 len 102400 disk start 13631488 offset 0 gen 8 flags NONE y
inode 258 file offset 131072 len 4096 disk start 14155776 offset 0 gen 8 flags NONE y
inode 259 file offset 0 len 2 disk start 0 offset 0 gen 8 flags INLINE z
transid marker was 8
`;

t.test("a file counts once, however many extents it has", (t) => {
  t.equal(countFiles(FOUND), 2);
  t.equal(countFiles("transid marker was 8\n"), 0);
  t.end();
});
