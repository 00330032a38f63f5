/** The `command` venue: the operator's own programs printing one JSON object each. */
import type { Clock, CloseResult, VenueOrder, VenuePort, VenueReference } from '../core/ports.ts';
import { type Known, known, unknown } from '../core/problem.ts';
import type { VenueDriver } from '../core/spec/types.ts';
import { scrubbedEnvironment } from './launch.ts';
import { fillArguments, oneObject, runCommand } from './run-command.ts';

type Options = {
  driver: Extract<VenueDriver, { kind: 'command' }>;
  market: string;
  /** Absolute path of the operations repository. */
  cwd: string;
  /** The instance's secrets, added to our own environment less `MM_*` and `MMFLEET_*`. */
  secrets: Readonly<Record<string, string>>;
  clock: Clock;
};

type Answer = Record<string, unknown>;

const NO_REFERENCE: VenueReference = { bid: null, ask: null, sizeStep: null, minSize: null, tick: null };
const DECIMAL = /^[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,2})?$/;

/** One market through the operator's commands; anything but a well-formed answer about this market is unknown. */
export function createCommandVenue(options: Options): VenuePort {
  const { driver } = options;
  const ask = <T>(
    what: string,
    command: readonly string[],
    read: (answer: Answer) => T | string,
    more: Record<string, string> = {},
  ) => askOnce(options, what, fillArguments(command, { market: options.market, ...more }), read);
  return {
    evidence: 'venue',
    position: () =>
      ask('position', driver.position, (a) =>
        isDecimal(a['position'])
          ? { market: options.market, position: a['position'] }
          : 'position is not a decimal text',
      ),
    openOrders: () => ask('orders', driver.orders, readOrders),
    cancelAll: () =>
      ask('cancel', driver.cancel, ({ canceled = null }) =>
        canceled === null || Number.isSafeInteger(canceled)
          ? { canceled: canceled as number | null }
          : 'canceled is not a count',
      ),
    // Without a reference command there is no price, which is known; a failing one is unknown.
    reference: async () =>
      driver.reference === null
        ? known(NO_REFERENCE, options.clock.nowMs())
        : ask('reference', driver.reference, readReference),
    close: (order) =>
      ask('close', driver.close, (a) => readClose(a, order.clientId), { ...order, limitPrice: order.limitPrice ?? '' }),
  };
}

/** `read` returns the value, or a text that says what is wrong with the answer. */
async function askOnce<T>(
  { driver, market, cwd, secrets, clock }: Options,
  what: string,
  command: string[],
  read: (answer: Answer) => T | string,
): Promise<Known<T>> {
  const run = await runCommand(command, {
    cwd,
    env: { ...scrubbedEnvironment(), ...secrets },
    timeoutMs: driver.timeoutMs,
  });
  if (!run.ok) return unknown(`${what} command: ${run.reason}`);
  const answer = oneObject(run.stdout);
  if (answer === null) return unknown(`${what} command: printed something other than one JSON object`);
  if (answer['market'] !== market) return unknown(`${what} command: the answer does not name ${market}`);
  const value = read(answer);
  return typeof value === 'string' ? unknown(`${what} command: ${value}`) : known(value, clock.nowMs());
}

function readOrders({ orders }: Answer): VenueOrder[] | string {
  if (!Array.isArray(orders)) return 'orders is not a list';
  return orders.every(isOrder)
    ? orders.map(({ id, side, price, size }) => ({ id, side, price, size }))
    : 'an order lacks id, side, price or size';
}

function isOrder(value: unknown): value is VenueOrder {
  if (typeof value !== 'object' || value === null) return false;
  const { id, side, price, size } = value as Answer;
  return (
    typeof id === 'string' && id !== '' && (side === 'buy' || side === 'sell') && isDecimal(price) && isDecimal(size)
  );
}

function readReference(answer: Answer): VenueReference | string {
  const found: Record<string, string | null> = {};
  for (const field of Object.keys(NO_REFERENCE)) {
    const value = answer[field] ?? null;
    if (value !== null && !(isDecimal(value) && Number(value) >= 0)) return `${field} is not a decimal text`;
    found[field] = value;
  }
  return found as VenueReference;
}

function readClose(answer: Answer, clientId: string): CloseResult | string {
  const { status, filled, averagePrice = null, costUsd = null } = answer;
  if (answer['clientId'] !== clientId) return 'the answer names another client id';
  if (status !== 'filled' && status !== 'partial' && status !== 'rejected')
    return 'status is not filled, partial or rejected';
  if (!isDecimal(filled) || Number(filled) < 0) return 'filled is not a decimal text';
  if (averagePrice !== null && !isDecimal(averagePrice)) return 'averagePrice is not a decimal text';
  if (costUsd !== null && !isDecimal(costUsd)) return 'costUsd is not a decimal text';
  return { clientId, status, filled, averagePrice, costUsd };
}

function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && DECIMAL.test(value);
}
