/** Where an image is built before it takes its place. */
export function newImageName(image: string): string {
  return `${image}.dockroot-new`;
}
