import t from "tap";
import { commandTable, groups } from "../../../installer/cli/table.ts";

t.test("an option is of one kind in all commands: it may stand first", (t) => {
  const kinds = new Map<string, string>();
  for (const [name, { flags }] of commandTable) {
    for (const [flag, { type, alias, placeholder }] of Object.entries(flags)) {
      const kind = JSON.stringify([type, alias, placeholder?.startsWith("[")]);
      t.equal(kinds.get(flag) ?? kind, kind, `${name} --${flag}`);
      kinds.set(flag, kind);
    }
  }
  t.ok(kinds.size > 10);
  t.end();
});

t.test("each command of two words is in a group", (t) => {
  const first = [...commandTable.keys()]
    .filter((name) => name.includes(" "))
    .map((name) => name.split(" ")[0]);
  t.strictSame([...new Set(first)], [...groups.keys()]);
  t.end();
});
