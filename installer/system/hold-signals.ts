const SIGNALS = ["SIGHUP", "SIGINT", "SIGTERM"] as const;

/**
 * Runs work that must not be left half undone: a signal that would end the process ends it when the
 * work is over.
 * @param work is told of the signal, to come to its end soon
 */
export async function holdSignals<T>(
  work: (interruption: AbortSignal) => Promise<T>,
): Promise<T> {
  const interruption = new AbortController();
  let received: NodeJS.Signals | undefined;
  const hold = (signal: NodeJS.Signals) => {
    received ??= signal;
    interruption.abort();
  };
  for (const signal of SIGNALS) process.on(signal, hold);
  try {
    return await work(interruption.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, hold);
    if (received !== undefined) process.kill(process.pid, received);
  }
}
