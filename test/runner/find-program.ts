import { accessSync, constants } from "node:fs";
import path from "node:path";

/** Where the program is: on PATH, or among the administrator's, which a user's PATH may lack. */
export function findProgram(name: string): string | undefined {
  const directories = [
    ...(process.env["PATH"] ?? "").split(":"),
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
  ];
  return directories
    .filter((directory) => directory !== "")
    .map((directory) => path.join(directory, name))
    .find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Any reason: it cannot be run from there.
    return false;
  }
}
