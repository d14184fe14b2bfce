import fs from "node:fs";
import {
  askAtLength,
  askBriefly,
  askForEncodings,
  askWithoutLocale,
  type Answer,
} from "./answers.ts";

// Built into an executable as main.ts is, and also run by an unchanged Node:
// QUESTION LOCALE... prints the answers as JSON.

const questions: Record<string, (locales: string[]) => Answer[]> = {
  briefly: (locales) => locales.flatMap(askBriefly),
  "at-length": (locales) => locales.flatMap(askAtLength),
  "without-locale": askWithoutLocale,
  encodings: askForEncodings,
};

const [question = "", ...locales] = process.argv.slice(2);
if (question === "--version") console.log(`dockroot (Node ${process.version})`);
else fs.writeSync(1, JSON.stringify(questions[question]?.(locales)));
