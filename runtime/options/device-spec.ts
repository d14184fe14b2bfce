import { invalidOption } from "./option-values.ts";

/** Where a filesystem is: a tag that blkid knows, or a path below /dev. */
export type DeviceSpec =
  | {
      readonly kind: "tag";
      readonly tag: "LABEL" | "UUID" | "PARTLABEL" | "PARTUUID";
      readonly value: string;
    }
  | { readonly kind: "path"; readonly path: string };

const DEVICE_HINT =
  "Write LABEL=..., UUID=..., PARTLABEL=..., PARTUUID=... or a path below /dev.";

/**
 * @param option the option's name, for messages
 * @throws BootError INVALID_OPTION
 */
export function parseDeviceSpec(option: string, value: string): DeviceSpec {
  const tagged = /^(LABEL|UUID|PARTLABEL|PARTUUID)=(.*)$/s.exec(value);
  if (tagged !== null) {
    const text = (tagged[2] ?? "").replace(/^"(.*)"$/s, "$1");
    if (text === "") {
      throw invalidOption(`${option}=${value} names no device`, DEVICE_HINT);
    }
    return {
      kind: "tag",
      tag: tagged[1] as "LABEL" | "UUID" | "PARTLABEL" | "PARTUUID",
      value: text,
    };
  }
  if (value.startsWith("/dev/") && /[^/]/.test(value.slice("/dev/".length))) {
    return { kind: "path", path: value };
  }
  throw invalidOption(
    `${option}=${value} is no device that dockroot understands`,
    DEVICE_HINT,
  );
}

/** The device as a user writes it. */
export function formatDeviceSpec(spec: DeviceSpec): string {
  return spec.kind === "path" ? spec.path : `${spec.tag}=${spec.value}`;
}
