import { BootError } from "../../runtime/base/errors.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * Asks whether to go on, where somebody is there to answer: a Dockerfile's RUN goes on by itself.
 * @throws BootError INSTALL_FAILED where the answer is no
 */
export async function confirmPlan(
  isAnswered: boolean,
  { questions }: Surroundings,
): Promise<void> {
  if (isAnswered || questions === undefined) return;
  if (await questions((confirm) => confirm("Go on?"))) return;
  throw new BootError("INSTALL_FAILED", "nothing was changed");
}
