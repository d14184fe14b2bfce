import { BootError } from "../../runtime/base/errors.ts";
import type { Host } from "../../runtime/host/host.ts";
import { dracut } from "./dracut.ts";
import type { Generator, GeneratorName } from "./generator.ts";
import { mkinitcpio } from "./mkinitcpio.ts";
import { initramfsTools } from "./initramfs-tools.ts";

export const generators: Readonly<Record<GeneratorName, Generator>> = {
  mkinitcpio,
  dracut,
  "initramfs-tools": initramfsTools,
};

/**
 * The generator that makes this system's initramfs.
 * @param name the one that is asked for
 * @throws BootError GENERATOR_MISSING where it, or any, is not there; GENERATOR_AMBIGUOUS where
 *   several are and none alone is in charge
 */
export function chooseGenerator(
  host: Host,
  name: GeneratorName | undefined,
): Generator {
  if (name !== undefined) {
    const generator = generators[name];
    if (generator.isPresent(host)) return generator;
    throw new BootError("GENERATOR_MISSING", `${name} is not installed`, {
      hint: `Install the package ${name} first, or choose another generator.`,
    });
  }
  const present = Object.values(generators).filter((generator) =>
    generator.isPresent(host),
  );
  const inCharge = present.filter((generator) => generator.isInCharge(host));
  const [only, ...others] = inCharge.length > 0 ? inCharge : present;
  if (only === undefined) {
    throw new BootError(
      "GENERATOR_MISSING",
      `no initramfs generator is installed (${Object.keys(generators).join(", ")})`,
      { hint: "Install the one that your distribution uses." },
    );
  }
  if (others.length > 0) {
    throw new BootError(
      "GENERATOR_AMBIGUOUS",
      `more than one initramfs generator is installed: ${[only, ...others].map((generator) => generator.name).join(", ")}`,
      { hint: `Choose one: --generator ${only.name}.` },
    );
  }
  return only;
}
