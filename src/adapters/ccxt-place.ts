/** Address of the ccxt library as modules find it; throws when it is not installed. */
export function ccxtAddress(): string {
  return import.meta.resolve('ccxt');
}
