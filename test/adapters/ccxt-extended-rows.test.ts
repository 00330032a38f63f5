import { describe, expect, test } from 'vitest';
import {
  readAccount,
  readBook,
  readOrders,
  readOwnOrder,
  readPosition,
  readRules,
} from '../../src/adapters/ccxt-extended-rows.ts';
import { Decimal } from '../../src/core/decimal.ts';

const M = 'BTC-USD';
const ACCOUNT = { id: '7', l2Key: '0xab', l2Vault: '500' };
const position = (over: object = {}) => ({ accountId: 7, market: M, side: 'LONG', size: '0.10', ...over });
const order = (over: object = {}) => ({
  id: '1775511783722512384',
  accountId: '7',
  market: M,
  side: 'BUY',
  price: '39000',
  qty: '0.20',
  ...over,
});

describe('positions', () => {
  test.each([
    { name: 'none', given: [], want: '0' },
    { name: 'long', given: [position()], want: '0.1' },
    { name: 'short', given: [position({ side: 'SHORT' })], want: '-0.1' },
    {
      name: 'many digits',
      given: [position({ size: '123456789012345678.123456789' })],
      want: '123456789012345678.123456789',
    },
    { name: 'zero, whatever its side', given: [position({ size: '0.000', side: 'NONE' })], want: '0' },
    { name: 'zero beside a position', given: [position({ size: '0' }), position()], want: '0.1' },
    { name: 'a sign in the size', given: [position({ size: '-0.1' })], want: ['malformed position'] },
    { name: 'a number for a text', given: [position({ size: 0.1 })], want: ['malformed position'] },
    { name: 'not a number', given: [position({ size: 'NaN' })], want: ['malformed position'] },
    { name: 'no size', given: [position({ size: undefined })], want: ['malformed position'] },
    { name: 'lower-case side', given: [position({ side: 'long' })], want: ['position with an unknown side'] },
    { name: 'no account', given: [position({ accountId: null })], want: ['a position of another account'] },
    { name: 'two', given: [position(), position({ side: 'SHORT' })], want: ['several positions in one market'] },
  ])('$name', ({ given, want }) => {
    expect(readPosition(given, M, ACCOUNT)).toEqual(want);
  });
});

describe('open orders', () => {
  test.each([
    { name: 'one', given: order(), want: [{ id: '1775511783722512384', side: 'buy', price: '39000', size: '0.20' }] },
    {
      name: 'a conditional order has the price of its trigger',
      given: order({ price: null, trigger: { triggerPrice: '34000' }, side: 'SELL' }),
      want: [{ id: '1775511783722512384', side: 'sell', price: '34000', size: '0.20' }],
    },
    { name: 'no id', given: order({ id: undefined }), want: 'malformed order' },
    { name: 'an id that lost digits', given: order({ id: 1.5e30 }), want: 'malformed order' },
    { name: 'no price', given: order({ price: undefined }), want: 'malformed order' },
    { name: 'another side', given: order({ side: 'HOLD' }), want: 'malformed order' },
    { name: 'another market', given: order({ market: 'ETH-USD' }), want: 'an order of another market' },
    { name: 'another account', given: order({ accountId: 8 }), want: 'an order of another account' },
  ])('$name', ({ given, want }) => {
    expect(readOrders([given], M, ACCOUNT)).toEqual(want);
  });
});

describe('our own order', () => {
  const own = (over: object = {}) => ({
    ...order(),
    externalId: 'c-1',
    status: 'FILLED',
    filledQty: '0.2',
    averagePrice: '39001.5',
    payedFee: '1.95',
    ...over,
  });
  const result = (status: string, filled: string) => ({
    clientId: 'c-1',
    status,
    filled,
    averagePrice: '39001.5',
    costUsd: null,
  });
  test.each([
    { name: 'filled', given: [own()], want: result('filled', '0.2') },
    {
      name: 'the rest of it cancelled',
      given: [own({ status: 'CANCELLED', filledQty: '0.1' })],
      want: result('partial', '0.1'),
    },
    {
      name: 'nothing of it filled',
      given: [own({ status: 'EXPIRED', filledQty: '0' })],
      want: result('rejected', '0'),
    },
    { name: 'still working', given: [own({ status: 'PARTIALLY_FILLED', filledQty: '0.1' })], want: null },
  ])('$name', ({ given, want }) => {
    expect(readOwnOrder(given, M, 'c-1')).toMatchObject({ result: want });
  });
  test.each([
    { name: 'none', given: [], want: null },
    { name: 'a row without an id is none', given: [own({ id: undefined })], want: null },
    {
      name: 'a final order that does not say what it filled',
      given: [own({ filledQty: undefined })],
      want: 'order without its filled size',
    },
    { name: 'a status nobody knows', given: [own({ status: 'DONE' })], want: 'order with an unknown status' },
    { name: 'another client id', given: [own({ externalId: 'c-2' })], want: 'another order under our client id' },
    { name: 'two', given: [own(), own()], want: 'several orders with one client id' },
  ])('$name', ({ given, want }) => {
    expect(readOwnOrder(given, M, 'c-1')).toBe(want);
  });
});

describe('the account', () => {
  const row = { accountId: 7, l2Key: '0x00AB', l2Vault: '500' };
  test.each([
    {
      name: 'leading zeros and case do not matter',
      expected: { vaultId: ' 500 ', publicKey: '0xab' },
      want: { id: '7' },
    },
    { name: 'one of the two is enough', expected: { vaultId: null, publicKey: 'AB' }, want: { l2Vault: '500' } },
    {
      name: 'a vault that is no number',
      expected: { vaultId: 'x', publicKey: null },
      want: 'another account: the vault differs',
    },
    {
      name: 'an empty key',
      expected: { vaultId: '500', publicKey: '' },
      want: 'another account: the public key differs',
    },
  ])('$name', ({ expected, want }) => {
    const got = readAccount(row, expected);
    if (typeof want === 'string') expect(got).toBe(want);
    else expect(got).toMatchObject(want);
  });
  test.each([null, {}, { ...row, l2Key: 'zz' }, { ...row, accountId: 'main' }])('malformed: %j', (given) => {
    expect(readAccount(given, { vaultId: '500', publicKey: null })).toBe('malformed account');
  });
});

describe('prices', () => {
  const band = { low: new Decimal(95), high: new Decimal(105) };
  const level = (price: string, qty = '1') => ({ price, qty });
  test.each([
    {
      name: 'best of each side, in any order',
      bid: [level('98'), level('99')],
      ask: [level('102'), level('101')],
      want: { bid: '99', ask: '101' },
    },
    {
      name: 'levels without quantity do not count',
      bid: [level('99', '0'), level('98')],
      ask: [],
      want: { bid: '98', ask: null },
    },
    { name: 'outside the band is nobody', bid: [level('94')], ask: [level('106')], want: { bid: null, ask: null } },
    { name: 'crossed', bid: [level('102')], ask: [level('101')], want: 'crossed order book' },
    { name: 'a price that is none', bid: [level('0')], ask: [], want: 'malformed order book' },
    { name: 'no list', bid: null, ask: [], want: 'malformed order book' },
  ])('$name', ({ bid, ask, want }) => {
    expect(readBook({ market: M, bid, ask }, M, band)).toEqual(want);
  });

  test('the band is that of the market around its mark price, else 5 %', () => {
    const tradingConfig = { minOrderSizeChange: '0.01', minOrderSize: '0.1', minPriceChange: '1' };
    const marketStats = { markPrice: '100' };
    expect(readRules({ tradingConfig, marketStats })).toEqual({ sizeStep: '0.01', minSize: '0.1', tick: '1', band });
    const wide = { ...tradingConfig, limitPriceCap: '0.2', limitPriceFloor: '0.1' };
    expect(readRules({ tradingConfig: wide, marketStats })).toMatchObject({
      band: { low: new Decimal(90), high: new Decimal(120) },
    });
    expect(readRules({ tradingConfig, marketStats: {} })).toBe('market without a mark price');
    expect(readRules({ tradingConfig: { ...tradingConfig, minPriceChange: '0' }, marketStats })).toBe(
      'market without trading rules',
    );
  });
});
