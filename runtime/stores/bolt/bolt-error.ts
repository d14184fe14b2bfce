/** What is wrong with a database, as a clause: "page 5 is no page of a tree". */
export class BoltError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BoltError";
  }
}
