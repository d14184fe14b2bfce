// runner: tier=all seconds=80 needs=dracut
import t from "tap";
import { hibernate } from "./hibernate.ts";

await t.test("a hibernated computer resumes, with dracut", (t) =>
  hibernate(t, "hibernation-dracut", "dracut"),
);
