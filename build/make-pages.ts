import path from "node:path";
import { executableFile } from "./layout.ts";
import { writePages } from "./pages/pages.ts";

// node build/make-pages.ts: what `make pages` runs.
await writePages(path.dirname(executableFile));
