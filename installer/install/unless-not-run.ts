import { NotRunError } from "../system/tree-host.ts";

/**
 * Does what may need to run a program of a system that is only looked at.
 * @param notChecked gets what is not known then
 * @returns what the work gives, or `otherwise`
 */
export async function unlessNotRun<T>(
  notChecked: string[],
  otherwise: T,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NotRunError)) throw error;
    notChecked.push(what);
    return otherwise;
  }
}
