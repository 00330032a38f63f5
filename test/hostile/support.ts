/** What hostile-input tests share. */

/** Names that some input managed to put onto every object; empty as long as all is well. */
export function pollutedKeys(): string[] {
  const found: string[] = [];
  for (const key in {}) found.push(key);
  const clean = Object.getOwnPropertyNames(Object.prototype).every((name) => BUILT_IN.has(name));
  return clean ? found : [...found, 'Object.prototype'];
}

const BUILT_IN = new Set(Object.getOwnPropertyNames(Object.prototype));
