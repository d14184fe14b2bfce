/** A small ELF file: one segment that is the whole file, sections, and symbols. */
export function makeElf({
  machine = 62,
  sections,
  symbols = [],
}: {
  machine?: number;
  sections: readonly { name: string; address: number; content: Buffer }[];
  symbols?: readonly { name: string; address: number; size: number }[];
}): Buffer {
  const symbolNames = joinNames(symbols.map(({ name }) => name));
  const table = symbols.map(({ address, size }, index) => {
    const entry = Buffer.alloc(24);
    entry.writeUInt32LE(symbolNames.offsets[index] ?? 0, 0);
    entry.writeBigUInt64LE(BigInt(address), 8);
    entry.writeBigUInt64LE(BigInt(size), 16);
    return entry;
  });
  const all = [
    ...sections.map((section) => ({ ...section, type: 1, link: 0 })),
    {
      ...{ name: ".symtab", address: 0, type: 2, link: sections.length + 2 },
      content: Buffer.concat(table),
    },
    { ...noLink(".strtab"), content: symbolNames.bytes },
  ];
  const sectionNames = joinNames([...all.map(({ name }) => name), ".shstrtab"]);
  all.push({ ...noLink(".shstrtab"), content: sectionNames.bytes });

  const headerBytes = 64 + 56;
  let position = headerBytes;
  const headers = all.map(({ address, content, type, link }, index) => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(sectionNames.offsets[index] ?? 0, 0);
    header.writeUInt32LE(type, 4);
    header.writeBigUInt64LE(BigInt(address), 16);
    header.writeBigUInt64LE(BigInt(position), 24);
    header.writeBigUInt64LE(BigInt(content.length), 32);
    header.writeUInt32LE(link, 40);
    position += content.length;
    return header;
  });
  const head = Buffer.alloc(headerBytes);
  head.write("\x7fELF\x02\x01\x01", "latin1");
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(machine, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeBigUInt64LE(BigInt(position), 40);
  for (const [offset, value] of [
    [54, 56],
    [56, 1],
    [58, 64],
    [60, all.length + 1],
    [62, all.length],
  ] as const)
    head.writeUInt16LE(value, offset);
  head.writeUInt32LE(1, 64);
  head.writeBigUInt64LE(BigInt(position), 64 + 32);
  head.writeBigUInt64LE(BigInt(position), 64 + 40);
  return Buffer.concat([
    head,
    ...all.map(({ content }) => content),
    Buffer.alloc(64),
    ...headers,
  ]);
}

function noLink(name: string) {
  return { name, address: 0, type: 3, link: 0 };
}

function joinNames(names: readonly string[]) {
  let bytes = "\0";
  const offsets = names.map((name) => {
    const offset = bytes.length;
    bytes += `${name}\0`;
    return offset;
  });
  return { bytes: Buffer.from(bytes, "latin1"), offsets };
}
