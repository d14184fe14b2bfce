import t from "tap";
import { useDracut } from "../../fixtures/dracut-initramfs.ts";
import { hibernate } from "./hibernate.ts";

await t.test("a hibernated computer resumes, with dracut", (t) =>
  hibernate(t, "hibernation-dracut", useDracut),
);
