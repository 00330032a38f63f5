/** A venue that misbehaves on schedule, as data: what it holds, what goes wrong at which call, and the verdict to expect. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/** Calls of the REST interface that ccxt makes. */
export type Endpoint = 'account' | 'markets' | 'fees' | 'positions' | 'orders' | 'book' | 'cancel' | 'order' | 'lookup';

/**
 * What is answered in place of the truth. `hang` never answers; `lost` does what was asked and never answers; `stalls` begins
 * its answer and never ends it; `endless` never stops answering.
 */
export type FaultyReply =
  | 'empty-body'
  | 'html'
  | 'null'
  | 'null-data'
  | 'missing-data'
  | 'no-status'
  | 'cut-off'
  | 'http-429'
  | 'http-429-body'
  | 'http-500'
  | 'http-503-html'
  | 'http-404'
  | 'hang'
  | 'lost'
  | 'stalls'
  | 'endless'
  | 'not-found'
  | 'ignored'
  | 'wrong-account'
  | 'wrong-market'
  | 'unknown-side'
  | 'zero-rows'
  | { slow: number }
  | { error: { status: number; code: number } };

/** What happens at the venue by itself. `set`: the position becomes this. */
export type VenueEvent =
  | { fill: { side: 'BUY' | 'SELL'; qty: string } }
  | { set: string }
  | { rest: { side: 'BUY' | 'SELL'; price: string; qty: string } };

export type Fault = {
  on: Endpoint;
  /** The n-th such call, from 1. Default 1. */
  from?: number;
  /** For how many calls. Default 1. */
  times?: number | 'always';
  /** Before the call is answered. */
  before?: VenueEvent;
  /** After it was carried out, before the answer leaves. */
  after?: VenueEvent;
  reply?: FaultyReply;
  /** Whether an order or a cancel takes effect nevertheless. Default: not with `hang`, `ignored`, an error or a bad status. */
  carriedOut?: boolean;
};

export type Scenario = {
  about: string;
  position: string;
  orders: { side: 'BUY' | 'SELL'; price: string; qty: string }[];
  book?: { bids: [string, string][]; asks: [string, string][] };
  /** Overrides of the policy. */
  policy?: { dustMaxNotionalUsd?: number; maxCostUsd?: number; attempts?: number };
  faults: Fault[];
  want: {
    verdict: 'FLAT' | 'DUST' | 'OPEN' | 'UNKNOWN';
    /** What the receipt's rule must say. */
    rule?: string;
    /** Orders that traded at the venue. */
    trades?: number;
    /** Position the venue holds at the end. */
    left?: string;
  };
};

const FOLDER = join(import.meta.dirname, '..', '..', 'fixtures', 'venue-scenarios');

/** Every scenario file, by name. */
export function readScenarios(): { name: string; scenario: Scenario }[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => ({
      name: file.replace(/\.yaml$/, ''),
      scenario: parse(readFileSync(join(FOLDER, file), 'utf8')) as Scenario,
    }));
}
