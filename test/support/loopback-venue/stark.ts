/** The account of the loopback venue, and the check that an order's body is what its signature says. */
import { loadExchangeClass } from '../../../src/adapters/ccxt-module.ts';

/** A made-up account; nobody's money is behind these keys. */
export const ACCOUNT = {
  accountId: 3342,
  l2Vault: '500343',
  l2Key: '0x186e721f342ed407314dc7eee48db6f181162ff4c1c4493e0c1289aa2d55d7b',
  apiKey: 'loopback-api-key-7c1f',
  privateKey: '0x5c2ba1e0f7a9d3346e1c80b5a7749e1f2d6c3b8a9907f6e5d4c3b2a19087f6e',
};

export const L2_CONFIG = {
  type: 'STARKX',
  collateralId: '0x1',
  syntheticId: '0x414d5a4e2d3600000000000000000000',
  syntheticResolution: 1_000_000,
  collateralResolution: 1_000_000,
};

type Settlement = { r: string; s: string };
type Signer = { createOrderSettlementData(...args: unknown[]): Settlement };

/** Signs the body again (Stark signatures are deterministic); true when the signature is that of this very order. */
export async function signatureCheck(chainId: 'SN_SEPOLIA' | 'SN_MAIN') {
  const Exchange = await loadExchangeClass('extended');
  if (!Exchange.ok) throw new Error(Exchange.problem.message);
  const options = { chainId };
  const signer = new Exchange.value({ privateKey: ACCOUNT.privateKey, options }) as unknown as Signer;
  return (body: Record<string, unknown>): boolean => {
    const settlement = body['settlement'] as {
      signature: Settlement;
      starkKey: string;
      collateralPosition: string;
    };
    const fee = Number(body['fee']) + Number(body['builderFee'] ?? 0);
    const want = signer.createOrderSettlementData(body['side'] === 'BUY', body['qty'], body['price'], {
      totalFee: String(fee),
      starkKey: ACCOUNT.l2Key,
      collateralPosition: ACCOUNT.l2Vault,
      syntheticId: L2_CONFIG.syntheticId,
      collateralId: L2_CONFIG.collateralId,
      syntheticResolution: L2_CONFIG.syntheticResolution,
      collateralResolution: L2_CONFIG.collateralResolution,
      // Fourteen days after the order itself ends, as the venue prescribes.
      settlementExpiration: Math.floor((Number(body['expiryEpochMillis']) + 999) / 1000) + 1_209_600,
      nonce: body['nonce'],
    });
    return (
      settlement.starkKey === ACCOUNT.l2Key &&
      settlement.collateralPosition === ACCOUNT.l2Vault &&
      settlement.signature.r === want.r &&
      settlement.signature.s === want.s
    );
  };
}
