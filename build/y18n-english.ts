import { format } from "node:util";

/** Stands in for the package y18n in the bundle: yargs speaks English, and no file is read. */
export default function y18n() {
  return {
    __: (message: string, ...args: unknown[]) => format(message, ...args),
    __n: (one: string, other: string, count: number, ...args: unknown[]) => {
      const message = count === 1 ? one : other;
      return message.includes("%d")
        ? format(message, count, ...args)
        : format(message, ...args);
    },
    getLocale: () => "en",
    setLocale: () => undefined,
    updateLocale: () => undefined,
    locale: "en",
  };
}
