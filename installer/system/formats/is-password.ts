/**
 * Whether one can log in with what stands in the second field of shadow: a hash, not a lock.
 * @see https://man7.org/linux/man-pages/man5/crypt.5.html
 */
export function isPassword(field: string | undefined): boolean {
  return field !== undefined && /^[$_]|^[./0-9A-Za-z]{13}$/.test(field);
}
