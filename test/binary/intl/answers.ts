import buffer from "node:buffer";
import url from "node:url";
import util from "node:util";

/** What a call gave: its value as JSON, or the name of what it threw. */
export type Answer = readonly [call: string, value: string];

const MOMENT = Date.UTC(2026, 1, 3, 16, 5, 6, 789);
const LATER = MOMENT + 40 * 86_400_000;
const NUMBERS = [0, -0, 1, 2, -1234.567, 1e21, 12345678901234567890n, NaN];
const WORDS = [
  "Äpfel",
  "zebra",
  "Zebra",
  "apple",
  "10",
  "9",
  "ñ",
  "한",
  "中",
  "ı",
];
const TEXTS = [
  "Hello, world. It's 3.5 o'clock! Really?",
  "สวัสดีชาวโลก ภาษาไทย",
  "你好世界。今天天气很好。",
  "こんにちは世界。カタカナ",
  "សួស្តីពិភពលោក",
  "ສະບາຍດີຊາວໂລກ",
  "မင်္ဂလာပါကမ္ဘာလောက",
  "👩‍👩‍👧‍👦🇩🇪é\r\n",
];
const STYLES = ["full", "long", "medium", "short", undefined] as const;
const WIDTHS = ["long", "short", "narrow"] as const;

// TypeScript's library does not have these yet.
type Duration = Readonly<Record<string, number>>;
interface DurationFormatter {
  format(duration: Duration): string;
  formatToParts(duration: Duration): unknown;
}
const { DurationFormat } = Intl as unknown as {
  DurationFormat: new (
    locale: string,
    options: { style: string },
  ) => DurationFormatter;
};
interface RangedPluralRules extends Intl.PluralRules {
  selectRange(start: number, end: number): string;
}

/** Notes what each call gives. An error is an answer; only an end of the process is none. */
class Answers {
  readonly list: Answer[] = [];

  add(call: string, get: () => unknown): void {
    let value: string;
    try {
      value = util.inspect(get(), { depth: 9, maxArrayLength: null });
    } catch (error) {
      value = error instanceof Error ? `throws ${error.name}` : "throws";
    }
    this.list.push([call, value]);
  }
}

/** Some of every constructor and of every method that depends on the locale. */
export function askBriefly(locale: string): Answer[] {
  const answers = new Answers();
  const at = new Date(MOMENT);
  const add = (call: string, get: () => unknown) => {
    answers.add(`${call} (${locale})`, get);
  };
  add("Locale", () => describeLocale(new Intl.Locale(locale).maximize()));
  add("DateTimeFormat", () =>
    new Intl.DateTimeFormat(locale, {
      dateStyle: "full",
      timeStyle: "full",
      timeZone: "Asia/Tokyo",
    }).formatToParts(MOMENT),
  );
  add("range", () =>
    new Intl.DateTimeFormat(locale, {
      year: "numeric",
      month: "long",
      day: "numeric",
      hour: "numeric",
      dayPeriod: "long",
    }).formatRangeToParts(MOMENT, LATER),
  );
  add("currency", () =>
    new Intl.NumberFormat(locale, {
      style: "currency",
      currency: "JPY",
      currencyDisplay: "name",
    }).formatToParts(-1234.5),
  );
  add("unit", () =>
    new Intl.NumberFormat(locale, {
      style: "unit",
      unit: "kilometer-per-hour",
      unitDisplay: "long",
    }).formatRangeToParts(1, 12345),
  );
  add("compact", () =>
    new Intl.NumberFormat(locale, {
      notation: "compact",
      compactDisplay: "long",
    }).format(12345678),
  );
  add("PluralRules", () => {
    const rules = new Intl.PluralRules(locale, {
      type: "ordinal",
    }) as RangedPluralRules;
    return [0, 1, 2, 3, 1.5].map(
      (n) => rules.select(n) + rules.selectRange(n, 7),
    );
  });
  add("RelativeTimeFormat", () =>
    new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).formatToParts(
      -1,
      "day",
    ),
  );
  add("ListFormat", () =>
    new Intl.ListFormat(locale, { type: "disjunction" }).formatToParts([
      "a",
      "b",
      "c",
    ]),
  );
  add("DurationFormat", () =>
    new DurationFormat(locale, { style: "long" }).formatToParts({
      years: 1,
      hours: 2,
      milliseconds: 3,
    }),
  );
  add("DisplayNames", () =>
    new Intl.DisplayNames(locale, { type: "language" }).of("zh-Hant-HK"),
  );
  add("Collator", () =>
    WORDS.toSorted(new Intl.Collator(locale, { numeric: true }).compare),
  );
  add("localeCompare", () =>
    WORDS.toSorted((a, b) =>
      a.localeCompare(b, locale, { sensitivity: "base" }),
    ),
  );
  add("words", () => [
    ...new Intl.Segmenter(locale, { granularity: "word" }).segment(
      TEXTS.join(" "),
    ),
  ]);
  add("case", () => [
    "Iiİı ß Ὀδυσσεύς ά Ì".toLocaleUpperCase(locale),
    "IİI ΑΣ Ì".toLocaleLowerCase(locale),
  ]);
  add("toLocaleString", () => [
    at.toLocaleString(locale),
    at.toLocaleDateString(locale),
    at.toLocaleTimeString(locale),
    (-1234.5).toLocaleString(locale),
    123456n.toLocaleString(locale),
    [1.5, at].toLocaleString(locale),
    new Float64Array([1.5, 2]).toLocaleString(locale),
  ]);
  return answers.list;
}

/** All options of all constructors, each with what `Intl` offers for it. */
export function askAtLength(locale: string): Answer[] {
  const answers = new Answers();
  const add = (call: string, options: unknown, get: () => unknown) => {
    answers.add(`${call} ${util.inspect(options)} (${locale})`, get);
  };
  const date = (options: Intl.DateTimeFormatOptions, tag = locale) => {
    add(`DateTimeFormat ${tag}`, options, () => {
      const format = new Intl.DateTimeFormat(tag, options);
      return [
        format.format(MOMENT),
        format.formatRange(MOMENT, LATER),
        format.resolvedOptions(),
      ];
    });
  };
  const number = (options: Intl.NumberFormatOptions, tag = locale) => {
    add(`NumberFormat ${tag}`, options, () => {
      const format = new Intl.NumberFormat(tag, options);
      return [
        ...NUMBERS.map((n) => format.format(n)),
        format.formatRange(1, 2),
        format.resolvedOptions(),
      ];
    });
  };

  for (const dateStyle of STYLES)
    for (const timeStyle of STYLES)
      for (const hourCycle of ["h11", "h12", "h23", "h24"] as const)
        date(withoutUndefined({ dateStyle, timeStyle, hourCycle }));
  for (const calendar of Intl.supportedValuesOf("calendar")) {
    date({ calendar, dateStyle: "full", timeStyle: "long" });
    date({
      calendar,
      era: "long",
      year: "numeric",
      month: "short",
      weekday: "narrow",
    });
    date({ dateStyle: "full" }, `${locale}-u-ca-${calendar}`);
    add("calendar", calendar, () =>
      new Intl.DisplayNames(locale, { type: "calendar" }).of(calendar),
    );
  }
  for (const timeZone of Intl.supportedValuesOf("timeZone"))
    date({ timeZone, timeStyle: "full", dateStyle: "short" });
  for (const timeZoneName of [
    ...(["short", "long", "shortOffset", "longOffset"] as const),
    ...(["shortGeneric", "longGeneric"] as const),
  ])
    for (const timeZone of [
      "UTC",
      "Europe/Berlin",
      "America/New_York",
      "+05:30",
    ])
      date({ timeZoneName, timeZone });
  for (const month of [...WIDTHS, "numeric", "2-digit"] as const)
    for (const hour of ["numeric", "2-digit", undefined] as const)
      for (const weekday of [...WIDTHS, undefined])
        for (const dayPeriod of [...WIDTHS, undefined])
          date(
            withoutUndefined({
              ...{ month, hour, weekday, dayPeriod, era: weekday },
              ...{ year: "numeric", day: "2-digit", fractionalSecondDigits: 3 },
            } as const),
          );
  // Algorithmic numbering systems have no digits, and no name that `Intl` offers.
  for (const numberingSystem of [
    ...Intl.supportedValuesOf("numberingSystem"),
    ...[
      "hans",
      "hanidec",
      "hebr",
      "roman",
      "jpanfin",
      "taml",
      "none",
      "native",
    ],
    ...["finance", "traditio", "ethi", "armn", "cyrl", "geor", "grek", "zzzz"],
  ]) {
    number({ numberingSystem });
    number({}, `${locale}-u-nu-${numberingSystem}`);
    date({ dateStyle: "full" }, `${locale}-u-nu-${numberingSystem}`);
  }
  for (const currency of Intl.supportedValuesOf("currency")) {
    for (const currencyDisplay of [
      "symbol",
      "narrowSymbol",
      "code",
      "name",
    ] as const)
      number({ style: "currency", currency, currencyDisplay });
    add("currency", currency, () =>
      new Intl.DisplayNames(locale, { type: "currency" }).of(currency),
    );
  }
  for (const unit of [
    ...Intl.supportedValuesOf("unit"),
    "mile-per-gallon",
    "liter-per-day",
  ])
    for (const unitDisplay of WIDTHS)
      number({ style: "unit", unit, unitDisplay });
  for (const notation of [
    "standard",
    "scientific",
    "engineering",
    "compact",
  ] as const)
    for (const style of ["decimal", "percent", "currency"] as const)
      for (const compactDisplay of ["short", "long"] as const)
        for (const signDisplay of ["auto", "always", "exceptZero"] as const)
          for (const currencySign of ["standard", "accounting"] as const)
            number({
              ...{ notation, style, compactDisplay, signDisplay, currencySign },
              currency: "EUR",
            });
  for (const roundingMode of ["ceil", "floor", "halfEven", "trunc"] as const)
    number({ roundingMode, maximumSignificantDigits: 3, useGrouping: "min2" });
  for (const type of ["cardinal", "ordinal"] as const)
    add("PluralRules", type, () => {
      const rules = new Intl.PluralRules(locale, { type });
      return [0, 1, 2, 3, 11, 1.5].map((n) => rules.select(n));
    });
  for (const style of WIDTHS) {
    for (const numeric of ["always", "auto"] as const)
      for (const unit of [
        ...(["second", "minute", "hour", "day"] as const),
        ...(["week", "month", "quarter", "year"] as const),
      ])
        add("RelativeTimeFormat", [style, numeric, unit], () => {
          const format = new Intl.RelativeTimeFormat(locale, {
            style,
            numeric,
          });
          return [-2, -1, 0, 1, 5.5].map((n) => format.format(n, unit));
        });
    for (const type of ["conjunction", "disjunction", "unit"] as const)
      add("ListFormat", [style, type], () =>
        [0, 1, 2, 3, 4].map((n) =>
          new Intl.ListFormat(locale, { style, type }).format(
            WORDS.slice(0, n),
          ),
        ),
      );
    for (const [type, codes] of [
      ["language", ["de", "zh-Hant", "en-AU", "xx", "hi-Latn"]],
      ["region", ["DE", "US", "419", "ZZ", "QQ"]],
      ["script", ["Latn", "Hant", "Zzzz", "Cyrl"]],
      ["dateTimeField", ["era", "year", "month", "dayPeriod", "timeZoneName"]],
    ] as const)
      for (const fallback of ["code", "none"] as const)
        for (const languageDisplay of ["dialect", "standard"] as const)
          add("DisplayNames", [style, type, fallback, languageDisplay], () => {
            const names = new Intl.DisplayNames(locale, {
              ...{ style, type, fallback, languageDisplay },
            });
            return codes.map((code) => names.of(code));
          });
  }
  for (const style of [...WIDTHS, "digital"] as const)
    add("DurationFormat", style, () => {
      const format = new DurationFormat(locale, { style });
      return [
        ...[{ years: 1, months: 2, weeks: 3, days: 4 }, { hours: -5 }],
        { minutes: 6, seconds: 7, milliseconds: 8, nanoseconds: 9 },
      ].map((duration) => format.format(duration));
    });
  for (const collation of [
    ...["emoji", "eor", "search", "standard", "phonebk", "pinyin", "compat"],
    ...["dict", "stroke", "zhuyin", "trad", "searchjl", "private-kana", "zzzz"],
  ])
    for (const sensitivity of ["base", "accent", "case", "variant"] as const)
      for (const caseFirst of ["upper", "lower", "false"] as const)
        for (const usage of ["sort", "search"] as const)
          add("Collator", [collation, sensitivity, caseFirst, usage], () => {
            const collator = new Intl.Collator(`${locale}-u-co-${collation}`, {
              ...{ sensitivity, caseFirst, usage, ignorePunctuation: true },
            });
            return [
              collator.resolvedOptions(),
              WORDS.toSorted(collator.compare),
            ];
          });
  for (const granularity of ["grapheme", "word", "sentence"] as const)
    for (const text of TEXTS)
      add("Segmenter", [granularity, text], () => {
        const segments = new Intl.Segmenter(locale, { granularity }).segment(
          text,
        );
        return [segments.containing(3), ...segments];
      });
  return answers.list;
}

/** What depends on no locale, but on ICU. */
export function askWithoutLocale(): Answer[] {
  const answers = new Answers();
  for (const key of [
    ...(["calendar", "collation", "currency"] as const),
    ...(["numberingSystem", "timeZone", "unit"] as const),
  ])
    answers.add(`supportedValuesOf ${key}`, () => Intl.supportedValuesOf(key));
  for (const form of ["NFC", "NFD", "NFKC", "NFKD"])
    answers.add(`normalize ${form}`, () => [
      ...[...TEXTS, "ﬁ Å ½ ㎏ ﷺ 각 ẛ̣"].map((text) => text.normalize(form)),
    ]);
  for (const property of [
    ...[
      "L",
      "Lu",
      "Cc",
      "Nd",
      "P",
      "Sc",
      "Script=Greek",
      "scx=Deva",
      "Alphabetic",
    ],
    ...[
      "Emoji",
      "Emoji_Presentation",
      "ID_Start",
      "White_Space",
      "Any",
      "Cased",
    ],
    ...["RGI_Emoji", "Basic_Emoji", "Changes_When_NFKC_Casefolded", "Bogus"],
  ])
    for (const flags of ["u", "v", "iu", "iv"])
      answers.add(`\\p{${property}} ${flags}`, () =>
        TEXTS.map((text) =>
          [...text.matchAll(new RegExp(`\\p{${property}}`, `g${flags}`))].join(
            "|",
          ),
        ),
      );
  answers.add("ignoring case", () => [
    "ſ ß ẞ K σς İ".match(/s|ß|k|Σ|i/giu),
    "ſ ß ẞ K σς İ".match(/[\q{ß|s|k}--s]/giv),
    "ǅ".match(/ǆ/i),
  ]);
  for (const name of [
    "bücher.example",
    "faß.de",
    "☕.example",
    "xn--mgba3a4f16a",
    "日本語。jp",
    "a b",
    "xn--zzzz--",
  ])
    answers.add(`domain ${name}`, () => [
      url.domainToASCII(name),
      url.domainToUnicode(name),
      URL.parse(`http://${name}/ü?ß#ı`)?.href,
    ]);
  for (const text of [
    "2026-02-03",
    "Feb 3, 2026 16:05 PST",
    "3 février 2026",
    "2026-02-03T16:05:06+05:30",
    "bogus",
  ])
    answers.add(`Date ${text}`, () => new Date(text).getTime());
  for (const from of ["utf8", "ucs2", "latin1", "ascii"] as const)
    for (const to of ["utf8", "ucs2", "latin1", "ascii"] as const)
      answers.add(`transcode ${from} ${to}`, () =>
        buffer.transcode(Buffer.from("aé€ü", from), from, to),
      );
  answers.add("width", () => {
    const cells = TEXTS.map((text) => util.inspect({ [text]: text }));
    return [cells, util.stripVTControlCharacters(cells.join())];
  });
  return answers.list;
}

/** Bytes of each encoding of the standard, decoded: an encoding that ICU alone knows may be refused. */
export function askForEncodings(): Answer[] {
  const answers = new Answers();
  for (const label of ENCODINGS)
    for (const fatal of [false, true])
      answers.add(`TextDecoder ${label} ${String(fatal)}`, () => {
        const decoder = new TextDecoder(label, { fatal });
        return [
          decoder.encoding,
          decoder.decode(Buffer.from("abc \x1b$B\x80"), { stream: true }),
          decoder.decode(Buffer.from([0x81, 0xe4, 0xff, 0x41])),
        ];
      });
  return answers.list;
}

/** @see https://encoding.spec.whatwg.org/#names-and-labels */
const ENCODINGS = [
  ...["utf-8", "utf-16le", "utf-16be", "latin1", "us-ascii", "windows-1252"],
  ...[2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16].map(
    (n) => `iso-8859-${String(n)}`,
  ),
  ...[0, 1, 3, 4, 5, 6, 7, 8].map((n) => `windows-125${String(n)}`),
  ...[
    "iso-8859-8-i",
    "ibm866",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "x-mac-cyrillic",
  ],
  ...[
    "windows-874",
    "gbk",
    "gb18030",
    "big5",
    "euc-jp",
    "iso-2022-jp",
    "shift_jis",
  ],
  ...[
    "euc-kr",
    "replacement",
    "x-user-defined",
    "iso-2022-cn",
    "utf-7",
    "bogus",
  ],
];

function describeLocale(locale: Intl.Locale): unknown {
  const methods = [
    "Calendars",
    "Collations",
    "HourCycles",
    "NumberingSystems",
    "TimeZones",
    "TextInfo",
    "WeekInfo",
  ];
  const { language, script, region, baseName } = locale;
  return [
    ...[language, script, region, baseName, locale.minimize().baseName],
    ...methods.map((name) =>
      (Reflect.get(locale, `get${name}`) as () => unknown).call(locale),
    ),
  ];
}

function withoutUndefined<T extends object>(options: T) {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]: Exclude<T[K], undefined> };
}
