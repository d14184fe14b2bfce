import fs from "node:fs";
import path from "node:path";
import type { Metafile } from "esbuild";
import { projectDirectory } from "./layout.ts";

const LINE = "-".repeat(80);

/**
 * The licences of the npm packages that a bundle has something of, each below a line.
 * @throws Error where a package has none
 */
export function collectLicenses({ inputs }: Metafile): string {
  const packages = new Set(
    Object.keys(inputs).flatMap(
      (file) =>
        /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ??
        [],
    ),
  );
  return [...packages]
    .toSorted()
    .map((directory) => readLicense(path.join(projectDirectory, directory)))
    .join("");
}

function readLicense(directory: string): string {
  const { name, version } = JSON.parse(
    fs.readFileSync(path.join(directory, "package.json"), "utf8"),
  ) as { name: string; version: string };
  const file = fs
    .readdirSync(directory)
    .find((candidate) => /^licen[cs]e(?:[-.]|$)/i.test(candidate));
  if (file === undefined) throw new Error(`${directory} has no licence`);
  const text = fs.readFileSync(path.join(directory, file), "utf8");
  return `\n${LINE}\n${name} ${version}:\n\n${text.trim()}\n`;
}
