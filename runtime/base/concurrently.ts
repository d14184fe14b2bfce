/**
 * Waits for the end of both, also where one fails: what follows finds neither still at work.
 * @throws what the first has thrown, else what the second has
 */
export async function concurrently<A, B>(
  first: Promise<A>,
  second: Promise<B>,
): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return [await first, await second];
}
