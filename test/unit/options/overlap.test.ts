import t from "tap";
import { refuseOverlap } from "../../../runtime/options/overlap.ts";

t.test("the rwlayer and the store must not overlap", async (t) => {
  const refused = (rwlayer: string, storePath: string) => {
    t.throws(
      () => {
        refuseOverlap({ rwlayer, storePath });
      },
      refusal(/overlap/),
    );
  };
  refused("docker/rw", "docker");
  refused("a", "a/docker");
  refused("docker", "docker");
  refuseOverlap({ rwlayer: "docker2", storePath: "docker" });
});

t.test(
  "a top layer that holds the store or the rwlayer is refused",
  async (t) => {
    const refused = (
      topLayer: string,
      reason: RegExp,
      storePath = "docker",
    ) => {
      t.throws(() => {
        refuseOverlap({ rwlayer: "docker_rwlayer", storePath, topLayer });
      }, refusal(reason));
    };
    refused("", /contains docker/);
    refused("docker_rwlayer", /contains docker_rwlayer/);
    refused("docker_rwlayer/etc", /is inside docker_rwlayer/);
    refused(".dockroot/mine", /is inside \.dockroot/);
    refused("vm", /contains vm\/docker/, "vm/docker");
    refuseOverlap({
      rwlayer: "docker_rwlayer",
      storePath: "docker",
      topLayer: "boot_docker",
    });
  },
);

function refusal(message: RegExp) {
  return { name: "BootError", message };
}
