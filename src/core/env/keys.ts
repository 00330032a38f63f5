/** Which env keys are never tuned and which never reach git. */

/** The operator prompt's eleven forbidden keys: they never differ between a base env and its iters. */
export const FORBIDDEN_KEYS: readonly string[] = [
  'MM_VAULT_ID',
  'MM_STARK_PRIVATE_KEY',
  'MM_STARK_PUBLIC_KEY',
  'MM_API_KEY',
  'MM_ENVIRONMENT',
  'MM_MARKET_NAME',
  'MM_OFFSET_MODE',
  'MM_ORDER_SIZE_MULTIPLIER',
  'MM_MAX_POSITION_SIZE',
  'MM_MAX_POSITION_NOTIONAL_USD',
  'MM_MAX_ORDER_NOTIONAL_USD',
];

const SECRET_NAMES: readonly string[] = ['MM_STARK_PRIVATE_KEY', 'MM_API_KEY', 'MM_STARK_PUBLIC_KEY', 'MM_VAULT_ID'];

const SECRET_PARTS = /PRIVATE_KEY|SECRET|PASSPHRASE|MNEMONIC|API_KEY|PASSWORD|TOKEN/;

/** Whether a key's value is a secret. Case does not count, as for the bot. */
export function isSecretKey(name: string): boolean {
  const upper = name.toUpperCase();
  return SECRET_NAMES.includes(upper) || SECRET_PARTS.test(upper);
}

/** Whether a key may never be tuned: forbidden or secret. Case does not count. */
export function isForbiddenKey(name: string): boolean {
  return FORBIDDEN_KEYS.includes(name.toUpperCase()) || isSecretKey(name);
}
