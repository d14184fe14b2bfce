import fs from "fs-extra";
import type { Test } from "tap";

/** With this set the expected texts are written anew: look at what git says of them. */
const WRITES_EXPECTED = process.env.WRITE_EXPECTED !== undefined;

/** A file of texts, each below `== TITLE`, that a test's cases are compared with. */
export class ExpectedTexts {
  private readonly file: string;
  private readonly expected: Map<string, string>;
  private written = "";

  constructor(file: string) {
    this.file = file;
    this.expected = new Map(
      (WRITES_EXPECTED ? "" : fs.readFileSync(file, "utf8"))
        .split(/^== /m)
        .slice(1)
        .map((text) => [text.slice(0, text.indexOf("\n")), text]),
    );
  }

  /** Compares a case's text, of lines, with what is expected of it. */
  hold(t: Test, title: string, text: string): void {
    const found = `${title}\n${text}`;
    this.written += `== ${found}`;
    if (!WRITES_EXPECTED) t.equal(found, this.expected.get(title), title);
    this.expected.delete(title);
  }

  /** After the last case: each text that is expected had one. */
  end(t: Test): void {
    t.strictSame(
      [...this.expected.keys()],
      [],
      "what is expected has its case",
    );
    if (WRITES_EXPECTED) fs.outputFileSync(this.file, this.written);
  }
}
