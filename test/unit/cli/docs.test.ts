import fs from "node:fs";
import path from "node:path";
import prettier from "prettier";
import t from "tap";
import { formatMatrix } from "../../../fixtures/fallback-matrix.ts";
import { formatOverlayCells } from "../../../fixtures/overlay-cells.ts";
import { fillOptionTable } from "../../../build/option-table.ts";
import { commandTable } from "../../../installer/cli/table.ts";

const docs = path.resolve(import.meta.dirname, "../../../docs");
const read = (name: string) => fs.readFileSync(path.join(docs, name), "utf8");

/** A page's text outside of what it shows, as CommonMark fences that. */
function outsideFences(page: string): string[] {
  let fence: string | undefined;
  return page.split("\n").filter((line) => {
    const [mark] = /^`{3,}/.exec(line) ?? [];
    if (mark === undefined) return fence === undefined;
    if (fence === undefined) fence = mark;
    else if (line.length >= fence.length && /^`+$/.test(line)) {
      fence = undefined;
    }
    return false;
  });
}

t.test("each command and option is on the page of commands", (t) => {
  const lines = outsideFences(read("commands.md"));
  const sections = new Map<string, string[]>();
  let section: string[] = [];
  for (const line of lines) {
    if (line.startsWith("## ")) {
      section = [];
      sections.set(line.slice("## ".length), section);
    }
    section.push(line);
  }
  for (const [name, { flags }] of commandTable) {
    const text = sections.get(`dockroot ${name}`)?.join("\n");
    t.ok(text, name);
    for (const [flag, { placeholder }] of Object.entries(flags)) {
      const shown = [`--${flag}`, placeholder ?? ""].join(" ").trim();
      t.ok(text?.includes(`\`${shown}\``), `${name} ${shown}`);
    }
  }
  t.end();
});

t.test("each schema is on the page about JSON", (t) => {
  const page = read("json.md");
  for (const name of fs.readdirSync(path.join(docs, "schema"))) {
    t.ok(page.includes(`(schema/${name})`), name);
  }
  t.end();
});

t.test(
  "the page of kernel options has the program's own table: make option-table",
  async (t) => {
    const page = read("kernel-options.md");
    const filled = await prettier.format(fillOptionTable(page), {
      parser: "markdown",
    });
    t.equal(page, filled);
    t.throws(() => fillOptionTable("a page"), /no place for the table/);
  },
);

t.test("what becomes of a bad image is as the machines have it", async (t) => {
  const table = await prettier.format(formatMatrix(), { parser: "markdown" });
  t.ok(read("every-day.md").includes(table), table);
});

t.test("which overlays have booted is as the machines have it", async (t) => {
  const table = await prettier.format(formatOverlayCells(), {
    parser: "markdown",
  });
  t.ok(read("how-it-works.md").includes(table), table);
});

t.test("each file on the page on architecture is there", (t) => {
  const project = path.dirname(docs);
  const rooms = ["", "runtime", "installer"];
  const files = read("architecture.md").matchAll(/`([\w/-]+\.[tj]s)`/g);
  for (const [, file = ""] of files) {
    const places = rooms.map((room) => path.join(project, room, file));
    t.ok(
      places.some((place) => fs.existsSync(place)),
      file,
    );
  }
  t.end();
});
