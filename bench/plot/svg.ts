/** A piece of an SVG. */
export type Svg = string;

/** Numbers are written with two digits at most: the same chart is the same text everywhere. */
export type Attributes = Readonly<Record<string, string | number>>;

export function element(
  name: string,
  attributes: Attributes,
  ...children: readonly Svg[]
): Svg {
  const written = Object.entries(attributes).map(
    ([key, value]) =>
      ` ${key}="${typeof value === "number" ? String(Math.round(value * 100) / 100) : escapeText(value)}"`,
  );
  const open = `<${name}${written.join("")}`;
  if (children.length === 0) return `${open}/>`;
  return `${open}>${children.join("")}</${name}>`;
}

export function text(attributes: Attributes, content: string): Svg {
  return element("text", attributes, escapeText(content));
}

function escapeText(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;");
}
