import { execFileSync } from "node:child_process";
import t from "tap";
import { executable } from "./run-dockroot.ts";

// What every glibc system has, and what the initramfs hook copies.
const PERMITTED =
  /^(?:lib(?:c|m|dl|pthread|stdc\+\+|gcc_s)\.so\.\d+|ld-linux[-\w]*\.so\.\d+)$/;

t.test(
  "the executable needs the libraries of every glibc system alone",
  (t) => {
    const dynamic = execFileSync(
      "readelf",
      ["--dynamic", "--wide", executable],
      {
        encoding: "utf8",
      },
    );
    const needed = Array.from(
      dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g),
      ([, library]) => library ?? "",
    );
    t.ok(needed.includes("libc.so.6"), "readelf's answer was understood");
    t.strictSame(
      needed.filter((library) => !PERMITTED.test(library)),
      [],
    );
    t.notMatch(dynamic, /R(?:UN)?PATH/, "no directory of the build machine");
    t.end();
  },
);
