import { element, text, type Svg } from "./svg.ts";

/** Horizontal bars with a common scale. */
export interface BarChart {
  readonly title: string;
  /** In the order in which they stand in a bar. They are explained where bars have several. */
  readonly colours: readonly Colour[];
  readonly groups: readonly BarGroup[];
}

/** Looks right on white and on black. */
export interface Colour {
  readonly name: string;
  readonly fill: string;
}

/** Bars that belong together. */
export interface BarGroup {
  /** Stands above its bars, where there are several groups. */
  readonly title?: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  /** One after the other. */
  readonly segments: readonly {
    readonly colour: string;
    readonly ms: number;
  }[];
}

const WIDTH = 760;
const NAME_WIDTH = 150;
const TOTAL_WIDTH = 70;
const BAR_HEIGHT = 20;
const BAR_STEP = 26;
const LINE_HEIGHT = 22;
const SWATCH = 12;
/** Of a letter, more or less, for there is no one to measure text. */
const LETTER_WIDTH = 7.2;
const SEGMENT_GAP = 1;

/** Draws charts, one below the other, with text that is readable on a light and on a dark page. */
export function drawCharts(charts: readonly BarChart[]): Svg {
  let y = 0;
  const drawn = charts.map((chart) => {
    const { svg, height } = drawChart(chart);
    const placed = element(
      "g",
      { transform: `translate(0 ${String(y)})` },
      svg,
    );
    y += height + LINE_HEIGHT;
    return placed;
  });
  const style =
    "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}" +
    ".title{font-weight:600;font-size:15px}.soft{fill:#59636e}" +
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9198a1}}";
  return (
    element(
      "svg",
      {
        xmlns: "http://www.w3.org/2000/svg",
        viewBox: `0 0 ${String(WIDTH)} ${String(y)}`,
        ...{ width: WIDTH, height: y, role: "img" },
        "aria-label": charts.map(({ title }) => title).join("; "),
      },
      element("style", {}, style),
      ...drawn.map((svg) => `\n${svg}`),
    ) + "\n"
  );
}

function drawChart({ title, colours, groups }: BarChart): {
  svg: Svg;
  height: number;
} {
  const fills = new Map(colours.map(({ name, fill }) => [name, fill]));
  const totals = groups.flatMap(({ bars }) => bars.map(totalOf));
  const scale = (WIDTH - NAME_WIDTH - TOTAL_WIDTH) / Math.max(...totals);
  const parts: Svg[] = [text({ x: 0, y: 16, class: "title" }, title)];
  let y = LINE_HEIGHT + 8;
  if (groups.some(({ bars }) => bars.some(isStacked))) {
    const legend = drawLegend(colours, y);
    parts.push(...legend.parts);
    y = legend.bottom;
  }
  for (const { title: groupTitle, bars } of groups) {
    if (groupTitle !== undefined) {
      parts.push(text({ x: 0, y: y + 16, class: "soft" }, groupTitle));
      y += LINE_HEIGHT;
    }
    for (const bar of bars) {
      parts.push(...drawBar(bar, y, scale, fills));
      y += BAR_STEP;
    }
  }
  return { svg: parts.join("\n"), height: y };
}

function drawBar(
  bar: Bar,
  y: number,
  scale: number,
  fills: ReadonlyMap<string, string>,
): Svg[] {
  const middle = { y: y + BAR_HEIGHT / 2, "dominant-baseline": "central" };
  let x = NAME_WIDTH;
  const segments = bar.segments.map(({ colour, ms }) => {
    const width = ms * scale;
    const rectangle = element(
      "rect",
      {
        ...{ x, y, height: BAR_HEIGHT },
        width: Math.max(0, width - SEGMENT_GAP),
        fill: fills.get(colour) ?? "none",
      },
      element("title", {}, `${colour}: ${ms.toFixed(1)} ms`),
    );
    x += width;
    return rectangle;
  });
  return [
    text({ x: NAME_WIDTH - 8, "text-anchor": "end", ...middle }, bar.name),
    ...segments,
    text({ x: x + 6, ...middle }, `${totalOf(bar).toFixed(0)} ms`),
  ];
}

/** In as many lines as it takes. */
function drawLegend(
  colours: readonly Colour[],
  top: number,
): { parts: Svg[]; bottom: number } {
  let [x, y] = [0, top];
  const parts = colours.flatMap(({ name, fill }) => {
    const width = SWATCH + 6 + name.length * LETTER_WIDTH + 14;
    if (x + width > WIDTH) [x, y] = [0, y + LINE_HEIGHT];
    const drawn = [
      element("rect", { x, y, width: SWATCH, height: SWATCH, fill }),
      text({ x: x + SWATCH + 6, y: y + 11 }, name),
    ];
    x += width;
    return drawn;
  });
  return { parts, bottom: y + LINE_HEIGHT };
}

const isStacked = ({ segments }: Bar) => segments.length > 1;

function totalOf({ segments }: Bar): number {
  return segments.reduce((sum, { ms }) => sum + ms, 0);
}
