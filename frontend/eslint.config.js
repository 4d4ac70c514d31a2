import js from "@eslint/js";
import ts from "typescript-eslint";

const BY_SCHEMA = "Shapes of the API come from schema.d.ts, which `make types` writes.";
const DOORS = "Ask the city by client.ts or stream.ts, its broker by ngsild/door.ts.";

export default ts.config(
  { ignores: ["node_modules", "eslint.config.js", "src/schema.d.ts", "src/ngsild.d.ts"] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...ts.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // Numbers in sentences and paths are what this page is made of.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    // What the city tells comes in by these doors, which know its type ...
    ignores: ["src/client.ts", "src/stream.ts", "src/ngsild/door.ts"],
    rules: {
      "no-restricted-globals": ["error", ...["fetch", "EventSource"].map((name) => ({ name, message: DOORS }))],
    },
  },
  {
    // ... and nobody writes one by hand.
    files: ["src/shapes.ts", "src/api.ts", "src/calls/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "TSInterfaceDeclaration", message: BY_SCHEMA },
        { selector: "TSTypeAliasDeclaration > TSTypeLiteral", message: BY_SCHEMA },
      ],
    },
  },
);
