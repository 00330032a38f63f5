/** Numbers as they lie in memory, as text, and back: nothing of them is rounded, and no digit has to be read. */

/** For machines of the same kind alone: the bytes of a number come in its own order. */
export function blockText({ buffer, byteOffset, byteLength }: Float64Array | Int32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

export function blockOf(text: string): ArrayBuffer {
  const bytes = Buffer.from(text, 'base64');
  // A block of its own: a small buffer is part of a larger one, and begins anywhere in it.
  const block = new ArrayBuffer(bytes.length);
  new Uint8Array(block).set(bytes);
  return block;
}
