import t from "tap";
import type {
  EntryFacts,
  InitramfsContent,
  StartOutcome,
} from "../../../installer/doctor/rules/facts.ts";
import { checkEntry } from "../../../installer/doctor/rules/check-entries.ts";

/** What is found of an initramfs without `btrfs`, for a disk. */
function judge(
  outcome: unknown,
  given: Partial<InitramfsContent> = {},
  version?: string,
) {
  const content = { hasInit: true, hasDockroot: true, kernelVersions: [] };
  const kernel = version && { name: "/linux", file: "/boot/linux", version };
  const facts = {
    ...{ entry: { loader: "GRUB", title: "pc", file: "/grub.cfg" } },
    ...{ kernel, deployed: undefined },
    initrds: [
      {
        ...{ name: "/initrd.img", file: "/boot/initrd.img" },
        content: { ...content, missing: ["btrfs"], ...given },
      },
    ],
  };
  return [
    ...checkEntry(facts as unknown as EntryFacts, outcome as StartOutcome),
  ].map(
    ({ severity, message }) => `${severity} ${message.replace(/^.*?: /, "")}`,
  );
}

const planned = (fsType: string) => ({ kind: "planned", disk: { fsType } });

t.test("an overlay needs its module", async (t) => {
  const judgeOverlay = (hasOverlay: boolean, withoutOverlay: string[]) => {
    const outcome = {
      kind: "planned",
      disk: { fsType: "xfs", isOverlay: true },
      tree: { modules: ["6.1"], what: "the image", withoutOverlay },
    };
    const content = { hasOverlay, kernelVersions: ["6.1"] };
    return judge(outcome, content, "6.1").filter((text) =>
      /overlay/.test(text),
    );
  };
  t.match(judgeOverlay(false, ["6.1"]), [
    /^stops the module overlay is not in \/boot\/initrd\.img, and the kernel 6\.1 does not have it built in/,
  ]);
  t.strictSame(judgeOverlay(true, ["6.1"]), []);
  t.strictSame(judgeOverlay(false, []), [], "it is built in, or not known");
});

t.test("what an initramfs needs follows the disk's filesystem", async (t) => {
  const [isMissing] = judge(planned("btrfs"));
  t.match(isMissing, /^stops .*missing programs that dockroot calls: btrfs$/);
  t.strictSame(judge({ kind: "failed" }), [isMissing]);
  const whole = "ok dockroot is in /boot/initrd.img";
  t.match(judge(planned("ext4")), [/^warning no fsck\.ext4 is in/, whole]);
  for (const found of [
    judge(planned("ext4"), { hasFsck: true }),
    judge(planned("xfs")),
    judge({ kind: "read" }),
  ]) {
    t.strictSame(found, [whole]);
  }
});
