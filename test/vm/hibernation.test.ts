// runner: tier=first seconds=80 needs=machine
import t from "tap";
import { hibernate } from "./hibernate.ts";

await t.test("a hibernated computer resumes, with initramfs-tools", (t) =>
  hibernate(t, "hibernation-initramfs-tools", "demo"),
);
