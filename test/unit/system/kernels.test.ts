import t from "tap";
import { kernelVersions } from "../../../installer/system/kernels.ts";
import { createHost } from "../../../runtime/host/host.ts";
import { createLog } from "../../../runtime/host/log.ts";

t.test("kernels that an initramfs can be made for", (t) => {
  const withModules = () => ({ "modules.dep": "" });
  const versions = (tree: Parameters<typeof t.testdir>[0]) =>
    kernelVersions(createHost(t.testdir(tree), createLog([])));
  t.strictSame(versions({}), [], "none yet");
  t.strictSame(
    versions({
      lib: {
        modules: {
          "6.1": withModules(),
          "6.2": withModules(),
          "5.0": {},
          "6.0": withModules(),
        },
      },
      boot: { "vmlinuz-6.1": "", "vmlinuz-5.0": "" },
    }),
    ["6.1"],
    "not what is left of others",
  );
  t.strictSame(
    versions({
      lib: {
        modules: {
          "6.1": { ...withModules(), vmlinuz: "" },
          "6.0": withModules(),
        },
      },
    }),
    ["6.1"],
    "Fedora's place for it",
  );
  t.strictSame(
    versions({
      lib: { modules: { "6.1": withModules(), "6.0": withModules() } },
    }),
    ["6.0", "6.1"],
    "an image without kernels",
  );
  t.end();
});
