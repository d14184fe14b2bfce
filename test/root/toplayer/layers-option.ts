/** The kernel options that name directories in the disk's /layers as the top layer. */
export function layersOption(
  { label }: { readonly label: string },
  layers: readonly string[],
): string {
  const paths = layers.map((name) => `layers/${name}`).join(":");
  return `toplayer=LABEL=${label} toplayer_path=${paths}`;
}
