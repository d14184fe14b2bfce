import {
  asFailureOf,
  describeFailure,
  summarizeFailure,
} from "../../base/failure.ts";
import type { Host } from "../../host/host.ts";

/**
 * Does what may fail without harm to the rest, and warns of a failure.
 * @param work what it is, to follow "cannot"
 * @returns `undefined` after a failure
 */
export function attempt<T>(
  { log }: Pick<Host, "log">,
  work: string,
  action: () => T,
): T | undefined {
  try {
    return action();
  } catch (error) {
    const failure = asFailureOf(work, error);
    log.warn(summarizeFailure(failure), describeFailure(failure));
    return undefined;
  }
}

/** The same for a removal. */
export function attemptRemoval(
  host: Pick<Host, "log">,
  file: string,
  remove: () => void,
): void {
  attempt(host, `remove ${file}, which goes on taking room`, () => {
    remove();
    host.log.info(`removed ${file}`);
  });
}
