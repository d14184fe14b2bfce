/** Who wrote a store, as `dockroot.store=` names it. */
export const STORE_KINDS = ["graphdriver", "containerd", "podman"] as const;

export type StoreKind = (typeof STORE_KINDS)[number];
