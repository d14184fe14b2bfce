import t from "tap";
import type {
  EntryFacts,
  StartOutcome,
} from "../../../installer/doctor/rules/facts.ts";
import { checkEntry } from "../../../installer/doctor/rules/check-entries.ts";

/** What is found of an initramfs without `btrfs` and fsck, for a disk. */
function judge(outcome: unknown, hasFsck = false) {
  const content = { hasInit: true, hasDockroot: true, kernelVersions: [] };
  const facts = {
    ...{ entry: { loader: "GRUB", title: "pc", file: "/grub.cfg" } },
    ...{ kernel: undefined, deployed: undefined },
    initrds: [
      {
        ...{ name: "/initrd.img", file: "/boot/initrd.img" },
        content: { ...content, missing: ["btrfs"], hasFsck },
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

t.test("what an initramfs needs follows the disk's filesystem", async (t) => {
  const [isMissing] = judge(planned("btrfs"));
  t.match(isMissing, /^stops .*missing programs that dockroot calls: btrfs$/);
  t.strictSame(judge({ kind: "failed" }), [isMissing]);
  const whole = "ok dockroot is in /boot/initrd.img";
  t.match(judge(planned("ext4")), [/^warning no fsck\.ext4 is in/, whole]);
  for (const found of [
    judge(planned("ext4"), true),
    judge(planned("xfs")),
    judge({ kind: "read" }),
  ]) {
    t.strictSame(found, [whole]);
  }
});
