import fs from "node:fs";
import path from "node:path";
import { bundle } from "./bundle.ts";
import { collectLicenses } from "./collect-licenses.ts";
import { entryFile, projectDirectory } from "./layout.ts";

// node build/make-licenses.ts: the licences of the npm packages that are part of the executable.

const { metafile } = await bundle(entryFile);
fs.writeFileSync(
  path.join(projectDirectory, "dist/LICENSE.modules"),
  collectLicenses(metafile),
);
