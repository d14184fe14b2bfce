import t from "tap";
import { kernelVersions } from "../../installer/generators/kernels.ts";
import { createHost } from "../../runtime/host/host.ts";
import { createLog } from "../../runtime/host/log.ts";

t.test("kernels that an initramfs can be made for", (t) => {
  const whole = { "modules.dep": "" };
  const versions = (tree: Parameters<typeof t.testdir>[0]) =>
    kernelVersions(createHost(t.testdir(tree), createLog([])));
  t.strictSame(versions({}), [], "none yet");
  t.strictSame(
    versions({
      lib: { modules: { "6.1": whole, "6.2": whole, "5.0": {}, "6.0": whole } },
      boot: { "vmlinuz-6.1": "", "vmlinuz-5.0": "" },
    }),
    ["6.1"],
    "not what is left of others",
  );
  t.strictSame(
    versions({
      lib: { modules: { "6.1": { ...whole, vmlinuz: "" }, "6.0": whole } },
    }),
    ["6.1"],
    "Fedora's place for it",
  );
  t.strictSame(
    versions({ lib: { modules: { "6.1": whole, "6.0": whole } } }),
    ["6.0", "6.1"],
    "an image without kernels",
  );
  t.end();
});
