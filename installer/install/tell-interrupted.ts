import { describeFailure, formatFailure } from "../../runtime/base/failure.ts";

/**
 * Does the work; tells at once how it ended where it was interrupted, for the signal ends this process
 * before anybody else can.
 */
export async function tellInterrupted<T>(
  interruption: AbortSignal,
  tell: (text: string) => unknown,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (interruption.aborted) tell(formatFailure(describeFailure(error)));
    throw error;
  }
}
