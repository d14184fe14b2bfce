import t from "tap";
import type { LoggedRequest } from "../../../fixtures/block-write-log.ts";
import {
  cutIntoPieces,
  findCrashPoint,
  listCrashPoints,
  type CrashPoint,
} from "../../../fixtures/crash-points.ts";

/** A write of so many pieces; each piece's bytes tell which one it is. */
function write(name: number, count = 1, isDurable = false): LoggedRequest {
  const data = Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      Buffer.alloc(4096, name + index),
    ),
  );
  return { kind: "write", offset: name * 4096, data, isDurable };
}
const flush: LoggedRequest = { kind: "flush" };
const SEEDS = [0, 1, 123_456_789, 2 ** 32 - 1];

function collect(
  requests: readonly LoggedRequest[],
  limit = Number.POSITIVE_INFINITY,
  seed = 0,
): CrashPoint[] {
  const points: CrashPoint[] = [];
  for (const point of listCrashPoints(cutIntoPieces(requests), seed)) {
    if (points.length === limit) break;
    points.push(point);
  }
  return points;
}
const namesOf = ({ pieces }: CrashPoint) =>
  pieces.map(({ data }) => String(data[0])).join(" ");

t.test("writes are cut at the size that disks write at once", async (t) => {
  const short: LoggedRequest = {
    ...{ kind: "write", offset: 0, isDurable: false },
    data: Buffer.alloc(512, 9),
  };
  t.match(
    cutIntoPieces([write(1, 2), flush, short]).map(
      ({ offset, data, epoch, request }) => [
        ...[offset, data.length, data[0], epoch, request],
      ],
    ),
    [
      [4096, 4096, 1, 0, 0],
      [8192, 4096, 2, 0, 0],
      [0, 512, 9, 1, 2],
    ],
  );
});

t.test(
  "each prefix, and each subset of what was not flushed, once",
  async (t) => {
    const requests = [write(1), write(2), flush, write(3, 2), write(5)];
    for (const seed of SEEDS) {
      t.strictSame(
        collect(requests, Infinity, seed).map(namesOf).toSorted(),
        [
          ...["", "1", "2", "1 2"],
          ...["3", "4", "5", "3 4", "3 5", "4 5", "3 4 5"].map(
            (rest) => `1 2 ${rest}`,
          ),
        ].toSorted(),
      );
    }
  },
);

t.test("what is durable by itself is never missing", async (t) => {
  const points = collect([write(1), write(2, 1, true), write(3), write(4)]);
  for (const names of points.map(namesOf)) {
    t.ok(!/[34]/.test(names) || names.includes("2"), names);
  }
});

t.test("the first points are spread over the record", async (t) => {
  const requests = Array.from({ length: 64 }, (_, index) =>
    index % 8 === 7 ? flush : write(index, 2),
  );
  for (const seed of SEEDS) {
    const points = collect(requests, 16, seed);
    const quarters = new Set(
      points.map(({ pieces }) => Math.floor((pieces.length * 4) / 113)),
    );
    t.equal(quarters.size, 4);
    const kinds = points.map(({ name }) => name.replace(/:.*/, ""));
    t.strictSame(kinds.slice(0, 4), ["prefix", "subset", "prefix", "subset"]);
  }
});

t.test("another seed begins elsewhere, until all is taken", async (t) => {
  const requests = Array.from({ length: 64 }, (_, index) =>
    index % 8 === 7 ? flush : write(index, 2),
  );
  const prefixes = new Set<string>();
  const subsets = new Set<string>();
  for (let seed = 1000; seed < 1016; seed += 1) {
    for (const { name } of collect(requests, 32, seed)) {
      (name.startsWith("prefix:") ? prefixes : subsets).add(name);
    }
  }
  t.equal(prefixes.size, 113, "each prefix was among the first of some seed");
  t.equal(subsets.size, 16 * 16, "no subset came twice");
});

t.test("the same record gives the same points, by name too", async (t) => {
  const requests = [write(1, 9), flush, write(20, 9), flush, write(40, 30)];
  const pieces = cutIntoPieces(requests);
  for (const seed of SEEDS) {
    const points = collect(requests, 200, seed);
    t.strictSame(collect(requests, 200, seed), points);
    t.equal(new Set(points.map(namesOf)).size, 200, "no state comes twice");
    t.strictSame(
      points.map(({ name }) => findCrashPoint(pieces, name)),
      points,
    );
  }
  for (const name of ["", "prefix:49", "prefix:-1", "subset:3", "suffix:1"]) {
    t.throws(() => findCrashPoint(pieces, name), { message: /no point/ }, name);
  }
});

t.test("what was promised is asked for from its flush on", async (t) => {
  const pieces = cutIntoPieces([write(1), write(2), flush, write(3), write(4)]);
  const promised = 3;
  const isDue = (name: string) =>
    findCrashPoint(pieces, name).requests >= promised;
  t.notOk(isDue("prefix:1"));
  t.ok(isDue("prefix:2"), "after the flush nothing else was written");
  t.notOk(isDue("subset:2:1"), "what may be missing was not flushed");
  t.ok(isDue("subset:4:1"));
});
