#!/bin/sh
# Compiles journal-line.ts and what it imports into src/core/journal/line-wasm.ts. The compiler is fetched for it: 100 MB are too much to carry for 4 kB.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
npx --yes --package assemblyscript@0.28.20 asc journal-line.ts -O3 --noAssert --runtime stub --enable simd \
  --initialMemory 15 --maximumMemory 15 -o "$out/line.wasm" >&2
node -e '
  const { createHash } = require("node:crypto");
  const { readdirSync, readFileSync, writeFileSync } = require("node:fs");
  const sources = readdirSync(".").filter((name) => name.endsWith(".ts")).sort();
  const source = createHash("sha256").update(sources.map((name) => readFileSync(name, "utf8")).join("")).digest("hex");
  const text = `/** Compiled from src/core/journal/wasm by \`npm run wasm\`; do not edit. */
export const WASM =
  \x27${readFileSync(process.argv[1]).toString("base64")}\x27;
/** SHA-256 of the sources that it was compiled from, in the order of their names. */
export const SOURCE_SHA256 = \x27${source}\x27;
`;
  writeFileSync("../line-wasm.ts", text);
' "$out/line.wasm"
