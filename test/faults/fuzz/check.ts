import { findRawControl } from "../raw-controls.ts";

/** @throws Error where the text could write on a terminal */
export function checkPrintable(text: string): void {
  const raw = findRawControl(text);
  check(raw === undefined, raw ?? "");
}

/** @throws Error with the problem */
export function check(isRight: boolean, problem: string): void {
  if (!isRight) throw new Error(problem);
}
