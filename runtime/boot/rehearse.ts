/** Does work before its time. What fails now fails again in its turn, where that can be said. */
export async function rehearse(work: () => unknown): Promise<void> {
  await Promise.resolve()
    .then(work)
    .catch(() => undefined);
}
