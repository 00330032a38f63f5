export function withState(path: string, change: (state: never) => unknown): unknown;
export function marketOf(state: unknown, market: string): unknown;
export function sum(a: string | number, b: string | number): string;
