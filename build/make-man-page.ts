import fs from "node:fs";
import path from "node:path";
import { commandTable } from "../installer/commands/describe-commands.ts";
import { formatManPage } from "./man-page.ts";

const PROJECT = path.resolve(import.meta.dirname, "..");

const template = path.join(PROJECT, "docs/man/dockroot.8.in");
const page = path.join(PROJECT, "dist/dockroot.8");
fs.writeFileSync(
  page,
  formatManPage(fs.readFileSync(template, "utf8"), commandTable),
);
