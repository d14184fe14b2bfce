import t from "tap";
import { BootError } from "../../../runtime/base/errors.ts";
import {
  formatImageReference,
  fullRepository,
  parseImageReference,
} from "../../../runtime/images/image-ref.ts";

const HEX = "0123456789abcdef".repeat(4);
const formatted = (text: string, tag?: string) =>
  formatImageReference(parseImageReference(text, tag));

t.test("names are shortened as Docker prints them", async (t) => {
  const cases: [string, string][] = [
    ["alpine", "alpine:latest"],
    ["alpine:3.20", "alpine:3.20"],
    ["docker.io/library/alpine", "alpine:latest"],
    ["index.docker.io/library/alpine:1", "alpine:1"],
    ["library/alpine", "alpine:latest"],
    ["docker.io/me/system:v1", "me/system:v1"],
    ["me/system", "me/system:latest"],
    ["library/a/b", "library/a/b:latest"],
    ["registry.example:5000/x/y:v2", "registry.example:5000/x/y:v2"],
    ["registry.example:5000/x", "registry.example:5000/x:latest"],
    ["localhost/x", "localhost/x:latest"],
    ["127.0.0.1:5055/ns/x", "127.0.0.1:5055/ns/x:latest"],
    ["Upper/x", "Upper/x:latest"],
    ["[::1]:5000/x", "[::1]:5000/x:latest"],
    [`me/system@sha256:${HEX}`, `me/system@sha256:${HEX}`],
    [`me/system:v1@sha256:${HEX}`, `me/system@sha256:${HEX}`],
  ];
  for (const [text, expected] of cases)
    t.equal(formatted(text), expected, text);
});

t.test("a name with its registry, and whether it named one", async (t) => {
  const cases: [string, string, boolean][] = [
    ["alpine", "docker.io/library/alpine", false],
    ["docker.io/alpine", "docker.io/library/alpine", true],
    ["index.docker.io/me/system", "docker.io/me/system", true],
    ["me/deep/system", "docker.io/me/deep/system", false],
    ["localhost/x", "localhost/x", true],
    ["host:5000/x/y", "host:5000/x/y", true],
    ["library/x", "docker.io/library/x", true],
    ["Upper/x", "Upper/x", true],
  ];
  for (const [text, full, isQualified] of cases) {
    const reference = parseImageReference(text);
    if (reference.kind === "id") throw new Error(text);
    t.equal(fullRepository(reference.repository), full, text);
    t.equal(reference.isQualified, isQualified, text);
  }
});

t.test(
  "the tag that is given beside the name serves a name without one",
  async (t) => {
    t.equal(formatted("me/system", "v3"), "me/system:v3");
    t.equal(formatted("host:5000/system", "v3"), "host:5000/system:v3");
  },
);

t.test("64 hex digits are an ID, with or without sha256:", async (t) => {
  for (const text of [HEX, `sha256:${HEX}`]) {
    t.same(parseImageReference(text), { kind: "id", id: `sha256:${HEX}` });
  }
});

t.test(
  "shorter hex digits are a name that may be the beginning of an ID",
  async (t) => {
    t.match(parseImageReference("beef"), {
      repository: "beef",
      idPrefix: "beef",
    });
    t.match(parseImageReference("sha256:beef"), {
      repository: "sha256",
      tag: "beef",
      idPrefix: "beef",
    });
    t.match(parseImageReference("b"), { repository: "b", idPrefix: "b" });
    t.match(parseImageReference("sha256:b"), { idPrefix: "b" });
    t.match(parseImageReference("beef:1"), { idPrefix: undefined });
  },
);

t.test("what is printed of an ID is an ID again", async (t) => {
  const short = HEX.slice(0, 12);
  for (const text of [short, "0", `sha256:${short}`, "sha256:0"]) {
    t.equal(formatted(text), text);
    t.strictSame(
      parseImageReference(formatted(text)),
      parseImageReference(text),
    );
  }
  for (const text of [HEX, `sha256:${HEX}`]) {
    t.equal(formatted(text), `sha256:${HEX}`);
  }
  const reference = parseImageReference(short, "v1");
  t.equal(formatImageReference(reference), `${short}:v1`, "a name, perhaps");
  t.equal(
    formatImageReference(reference, {
      id: `sha256:${HEX}`,
      store: "containerd",
    }),
    short,
  );
});

t.test("what Docker would not accept is refused with the reason", async (t) => {
  const cases: [string, RegExp][] = [
    ["", /is empty/],
    ["me//x", /is empty/],
    ["Alpine", /lower-case/],
    ["me/Alpine", /lower-case/],
    ["a b", /lower-case/],
    ["../../etc", /registry name|lower-case/],
    ["x:", /tag/],
    ["x:-a", /tag/],
    [`x:${"a".repeat(129)}`, /tag/],
    ["x@sha256:1234", /digest/],
    ["x@5c60a4119e98", /an image ID stands alone/],
    [`${HEX}:latest`, /an image ID has no tag/],
    [`sha256:${HEX}:latest`, /an image ID has no tag/],
    [`${HEX}@sha256:${HEX}`, /an image ID has no tag/],
    ["x@md5:1234", /digest/],
    [`${"a".repeat(300)}`, /too long/],
    ["-bad.example/x", /registry name/],
  ];
  for (const [text, reason] of cases) {
    try {
      parseImageReference(text);
      t.fail(`"${text}" was accepted`);
    } catch (error) {
      t.ok(
        error instanceof BootError && error.code === "INVALID_REFERENCE",
        text,
      );
      t.match(String(error), reason, text);
    }
  }
});
