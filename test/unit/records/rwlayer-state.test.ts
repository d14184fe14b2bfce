import t from "tap";
import {
  generationNumbers,
  rwlayerPaths,
} from "../../../runtime/options/rwlayer-names.ts";

t.test("rwlayers of different paths never share a directory", async (t) => {
  t.equal(rwlayerPaths("a/b").directory, ".dockroot/a%2Fb");
  t.equal(rwlayerPaths("a%2Fb").directory, ".dockroot/a%252Fb");
});

t.test("generations are numbers; other names are left out", async (t) => {
  t.same(
    generationNumbers(["10", "9", "1", "01", "-1", "x", "1e3", ""]),
    [1, 9, 10],
  );
});
