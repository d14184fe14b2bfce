/** The same numbers for the same seed, on every machine. */
export interface Random {
  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number;
  /** Whether something that has one chance in `n` happens. */
  oneIn(n: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
}

/** The generator sfc32 (https://pracrand.sourceforge.net/RNG_engines.txt). */
export function createRandom(...seed: readonly number[]): Random {
  let [a, b, c] = [seed[0] ?? 0, seed[1] ?? 0, seed[2] ?? 0];
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let warmUp = 0; warmUp < 12; warmUp += 1) next();
  const below = (limit: number) => next() % limit;
  return {
    below,
    oneIn: (n) => below(n) === 0,
    pick: (list) => list[below(list.length)] ?? list[0],
  };
}
