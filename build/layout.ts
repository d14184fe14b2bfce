import path from "node:path";

/** The checkout. */
export const projectDirectory = path.resolve(import.meta.dirname, "..");

/** What a build leaves for the next one. Removing it costs time and nothing else. */
export const cacheDirectory = path.join(projectDirectory, ".cache/build");

/** Where the executable starts. */
export const entryFile = path.join(projectDirectory, "main.ts");

/** What gets installed beside the executable, which has it in it. */
export const assetsDirectory = path.join(projectDirectory, "installer/assets");

/** What `make build` makes. */
export const executableFile = path.join(projectDirectory, "dist/dockroot");
