import path from "node:path";

/**
 * The rooms of what is shipped (docs/architecture.md), the lowest first: a file imports values only from its own room
 * and from rooms above it in this list. A room's folder includes those below it that are not rooms
 * of their own. Types may come from everywhere.
 */
const ROOMS = [
  { folder: "runtime/base", isPure: true },
  { folder: "runtime/images", isPure: true },
  { folder: "runtime/options", isPure: true },
  { folder: "runtime/records", isPure: true },
  { folder: "runtime/tree", isPure: true },
  { folder: "runtime/stores/bolt", isPure: true },
  { folder: "runtime/stores/formats", isPure: true },
  { folder: "runtime/plan", isPure: true },
  { folder: "runtime/host" },
  { folder: "runtime/disk" },
  { folder: "runtime/toplayer" },
  { folder: "runtime/stores" },
  { folder: "runtime/boot" },
  { folder: "installer/text", isPure: true },
  { folder: "installer/engines/formats", isPure: true },
  { folder: "installer/system/formats", isPure: true },
  { folder: "installer/packages/formats", isPure: true },
  { folder: "installer/initramfs", isPure: true },
  { folder: "installer/loaders/formats", isPure: true },
  { folder: "installer/loaders/plan", isPure: true },
  { folder: "installer/install/plan", isPure: true },
  { folder: "installer/deploy/plan", isPure: true },
  { folder: "installer/toplayer/plan", isPure: true },
  { folder: "installer/toplayer/rules", isPure: true },
  { folder: "installer/doctor/rules", isPure: true },
  { folder: "installer/status/formats", isPure: true },
  { folder: "installer/diff/formats", isPure: true },
  { folder: "installer/system" },
  { folder: "installer/engines" },
  { folder: "installer/packages" },
  { folder: "installer/loaders" },
  { folder: "installer/generators" },
  { folder: "installer/install" },
  { folder: "installer/deploy" },
  { folder: "installer/toplayer" },
  { folder: "installer/diff" },
  { folder: "installer/doctor" },
  { folder: "installer/status" },
  { folder: "installer/cli" },
  { folder: "installer/commands" },
];

/** The files of the rooms that decide and parse, and touch nothing. */
export const pureRooms = ROOMS.filter(({ isPure }) => isPure).map(
  ({ folder }) => `${folder}/**/*.ts`,
);

/** @returns the place in ROOMS of a file's room; -1 where it is in none */
function roomOf(file) {
  const fits = ROOMS.filter(({ folder }) => file.startsWith(`${folder}/`));
  const longest = fits.toSorted((a, b) => b.folder.length - a.folder.length)[0];
  return longest === undefined ? -1 : ROOMS.indexOf(longest);
}

const onlyTypes = ({ importKind, specifiers }) =>
  importKind === "type" ||
  (specifiers.length > 0 &&
    specifiers.every((specifier) => specifier.importKind === "type"));

export const rooms = {
  meta: {
    type: "problem",
    schema: [],
    messages: {
      upward:
        "{{from}} imports no values from {{to}}, which stands above it (eslint-rooms.js).",
      pure: "{{from}} is pure: it imports no values from {{to}}, which is not.",
      homeless: "{{file}} is in no room (eslint-rooms.js lists them).",
    },
  },
  create(context) {
    const file = path.relative(context.cwd, context.filename);
    const own = roomOf(file);
    const check = (node, isOnlyTypes) => {
      const { value } = node.source;
      if (isOnlyTypes || own === -1 || !value.startsWith(".")) return;
      const other = roomOf(path.join(path.dirname(file), value));
      if (other === -1 || other === own) return;
      const data = { from: ROOMS[own].folder, to: ROOMS[other].folder };
      if (ROOMS[own].isPure && !ROOMS[other].isPure) {
        context.report({ node, messageId: "pure", data });
      } else if (other > own) {
        context.report({ node, messageId: "upward", data });
      }
    };
    return {
      Program(node) {
        if (own === -1) {
          context.report({ node, messageId: "homeless", data: { file } });
        }
      },
      ImportDeclaration: (node) => {
        check(node, onlyTypes(node));
      },
      ExportNamedDeclaration: (node) => {
        if (node.source !== null) check(node, node.exportKind === "type");
      },
      ExportAllDeclaration: (node) => {
        check(node, node.exportKind === "type");
      },
    };
  },
};
