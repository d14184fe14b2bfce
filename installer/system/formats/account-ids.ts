/**
 * The numbers of people, as systemd and shadow have them: below are a system's own, above come
 * `nobody` and what is given out while it runs.
 * @see https://systemd.io/UIDS-GIDS/
 */
const FIRST_OWN = 1000;
const LAST_OWN = 60_000;

export const isOwnId = (id: number) => id >= FIRST_OWN && id <= LAST_OWN;
export const isSystemId = (id: number) => id < FIRST_OWN;
