/**
 * One journal line at a time, straight from its bytes. Written in AssemblyScript; `npm run wasm` compiles it into
 * src/core/journal/line-wasm.ts.
 *
 * `next` says yes only to a line that is proved good letter by letter: one JSON object in plain ASCII whose known members
 * are written in a way that means the same to the full parser. Everything else is a no, which says nothing about the
 * line: the full parser reads it. So a no is never wrong, only slow.
 */
export { book } from './book';
export { next } from './lines';
export { layName } from './names';
export { decimal } from './numbers';
export { skim } from './skim';
