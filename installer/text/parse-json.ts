import * as v from "valibot";
import { parseJsonObject, unreadable } from "../../runtime/base/json-values.ts";

/** @throws BootError FILE_UNREADABLE where the text is no JSON object of that shape */
export function parseJson<Shape extends v.GenericSchema>(
  shape: Shape,
  text: string,
): v.InferOutput<Shape> {
  const { success, output, issues } = v.safeParse(shape, parseJsonObject(text));
  if (success) return output;
  const [issue] = issues;
  throw unreadable(
    `its ${v.getDotPath(issue) ?? "shape"} is not valid: ${issue.message}`,
  );
}
