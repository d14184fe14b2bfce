import fs from "node:fs";
import path from "node:path";
import t from "tap";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";
import { fails } from "../fails.ts";

t.test("a file that shrinks while it is read is an error", (t) => {
  const file = path.join(t.testdir(), "file");
  fs.writeFileSync(file, Buffer.alloc(100));
  const { files } = createHost("/", createLog([]));
  const read = () =>
    files.withFile(file, 100, (opened) => {
      fs.truncateSync(file, 50);
      t.equal(opened.sizeBytes(), 50);
      opened.read(Buffer.alloc(60), 0);
    });
  fails(t, read, "FILE_UNREADABLE", /the file ends at byte 50$/);
  const grow = () =>
    files.withFile(file, 100, (opened) => {
      fs.truncateSync(file, 101);
      opened.sizeBytes();
    });
  fails(t, grow, "FILE_UNREADABLE", /the limit is 100/);
  t.end();
});
