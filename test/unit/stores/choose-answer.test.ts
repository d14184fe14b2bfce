import t from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import { parseImageReference } from "../../../runtime/images/image-ref.ts";
import {
  chooseAnswers,
  type Answer,
} from "../../../runtime/stores/formats/choose-answer.ts";
import type { StoreKind } from "../../../runtime/options/store-kinds.ts";

const reference = parseImageReference("system:1");

const idOf = (digit: string) => `sha256:${digit.repeat(64)}` as const;

const unused = () => {
  throw new Error("a choice asks nothing more");
};

const UNUSED = {
  ...{ listNames: unused, findImage: unused },
  ...{ findTree: unused, listLayers: unused },
};

const readerOf = (kind: StoreKind) => ({
  kind,
  name: `the ${kind}`,
  unsupported: () => undefined,
  hasImages: () => true,
  ...UNUSED,
});

const found = (kind: StoreKind, id: string, config: string): Answer => ({
  kind: "image",
  reader: readerOf(kind),
  image: {
    id: idOf(id),
    configId: idOf(config),
    diffIds: [idOf("d")],
    architecture: "amd64",
  },
});

const failed = (
  kind: StoreKind,
  code: "IMAGE_MISSING" | "STORE_DAMAGED",
): Answer => ({
  kind: code === "IMAGE_MISSING" ? "missing" : "failed",
  reader: readerOf(kind),
  error: new BootError(code, "the reason", {
    cause: new Error("and its cause"),
    hint: "What to do.",
  }),
});

const choose = (...answers: Answer[]) =>
  chooseAnswers(reference, "docker", answers).map(({ reader }) => reader.kind);

t.test("stores that have the same image agree, whatever its ID", async (t) => {
  const concurrently = [
    found("graphdriver", "1", "1"),
    found("containerd", "2", "1"),
  ];
  t.strictSame(choose(...concurrently), ["graphdriver", "containerd"]);
});

t.test("one store that has it is enough, if the other lacks it", async (t) => {
  t.strictSame(
    choose(
      failed("graphdriver", "IMAGE_MISSING"),
      found("containerd", "2", "1"),
    ),
    ["containerd"],
  );
});

t.test("different images are not chosen from: both are named", async (t) => {
  const differ = () =>
    choose(found("graphdriver", "1", "1"), found("containerd", "2", "3"));
  t.throws(differ, {
    code: "STORE_AMBIGUOUS",
    message: /2 image stores in docker, .* different things of system:1/,
    cause: {
      message:
        /^the graphdriver: 111111111111; the containerd: 222222222222 \(its configuration is 333333333333\)$/,
    },
    hint: /dockroot\.store=graphdriver or dockroot\.store=containerd\. Docker uses containerd's where docker info/,
  });
});

t.test("one engine's drivers are told apart by its own program", async (t) => {
  const differ = (kind: StoreKind) => () =>
    choose(found(kind, "1", "1"), found(kind, "2", "2"));
  const code = "STORE_AMBIGUOUS";
  const hint = (engine: string) => new RegExp(`\\. ${engine} info shows`);
  t.throws(differ("graphdriver"), { code, hint: hint("docker") });
  t.throws(differ("podman"), { code, hint: hint("podman") });
});

t.test("a store that cannot be read may have another image", async (t) => {
  const unknown = () =>
    choose(
      found("graphdriver", "1", "1"),
      failed("containerd", "STORE_DAMAGED"),
    );
  t.throws(unknown, {
    code: "STORE_AMBIGUOUS",
    cause: { message: /the containerd: the reason \(and its cause\)$/ },
  });
});

t.test("an image that none has is missing, with what each has", async (t) => {
  const none = () =>
    choose(
      failed("graphdriver", "IMAGE_MISSING"),
      failed("podman", "IMAGE_MISSING"),
    );
  t.throws(none, {
    code: "IMAGE_MISSING",
    message: /system:1 is in none of the stores in docker/,
    cause: { message: /the graphdriver: the reason .*; the podman: / },
    hint: "What to do.",
  });
});
