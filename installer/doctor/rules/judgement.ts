/** Whether an engine's configuration lets it keep images where they are booted from. */
export type Judgement =
  | {
      /** What the configuration says: "/etc/docker/daemon.json names the storage driver btrfs". */
      readonly config: string;
      readonly problem?: undefined;
      readonly remedy?: undefined;
    }
  | {
      readonly config: string;
      /** What comes of it. */
      readonly problem: string;
      /** A sentence. */
      readonly remedy: string;
    };
