/** The health and tuning blocks of a checked and completed spec. */
import type { Fields } from './fields.ts';
import type { HealthPolicy, LimitAction, LimitPolicies, SignalPolicy, Theme, TuningPolicy } from './types.ts';

export function buildHealth(health: Fields): HealthPolicy {
  const signals = health.at('signals');
  const cheap = health.at('cheapMoment');
  return {
    cooldownMs: health.ms('cooldown'),
    signals: {
      burst: buildSignal(signals.at('burst')),
      fast: buildSignal(signals.at('fast')),
      slow: buildSignal(signals.at('slow')),
      alert: buildSignal(signals.at('alert')),
    },
    limits: buildLimits(health.at('limits')),
    cheapMoment: { maxPositionShare: cheap.number('maxPositionShare'), waitMs: cheap.ms('wait') },
  };
}

function buildSignal(signal: Fields): SignalPolicy {
  const confidence = signal.numberOrNull('confidence');
  return {
    metric: signal.text('metric') === 'netMarkout60sBps' ? 'netMarkout60sBps' : 'netMarkout5sBps',
    limit: signal.number('limit'),
    windowFills: signal.number('windowFills'),
    minFills: signal.number('minFills'),
    confidence: confidence === null ? null : confidence === 0.99 ? 0.99 : 0.95,
    consecutive: signal.number('consecutive'),
    activeForMs: signal.has('activeFor') ? signal.ms('activeFor') : null,
  };
}

function buildLimits(limits: Fields): LimitPolicies {
  const of = (name: keyof LimitPolicies) => {
    const limit = limits.at(name);
    return {
      action: limit.text('action') as LimitAction,
      min: () => ({ min: limit.numberOrNull('min') }),
      max: () => ({ max: limit.numberOrNull('max') }),
      lastFills: () => ({ lastFills: limit.number('lastFills') }),
      minPlacements: () => ({ minPlacements: limit.number('minPlacements') }),
      over: () => ({ overMs: limit.ms('over') }),
      limit,
    };
  };
  const pnl = of('realizedPnlUsd');
  const markout = of('markout5sBps');
  const fills = of('fillCount');
  const fillRatio = of('fillRatio');
  const cancel = of('cancelRatio');
  const postOnly = of('postOnlyRejectRatio');
  const failure = of('failureRatio');
  const pace = of('fillsPerHour');
  const position = of('positionShare');
  const drawdown = of('drawdownUsd');
  const age = of('dataAge');
  return {
    realizedPnlUsd: { ...pnl.lastFills(), ...pnl.min(), action: pnl.action },
    markout5sBps: { ...markout.lastFills(), ...markout.min(), action: markout.action },
    fillCount: { ...fills.min(), ...fills.over(), action: fills.action },
    fillRatio: { ...fillRatio.min(), ...fillRatio.minPlacements(), action: fillRatio.action },
    cancelRatio: { ...cancel.max(), ...cancel.minPlacements(), action: cancel.action },
    postOnlyRejectRatio: { ...postOnly.max(), ...postOnly.minPlacements(), action: postOnly.action },
    failureRatio: { ...failure.max(), ...failure.minPlacements(), action: failure.action },
    fillsPerHour: { ...pace.min(), ...pace.over(), action: pace.action },
    positionShare: {
      ...position.max(),
      shareOfTime: position.limit.number('shareOfTime'),
      ...position.over(),
      action: position.action,
    },
    drawdownUsd: { ...drawdown.max(), action: drawdown.action },
    dataAge: { maxMs: age.limit.msOrNull('max'), action: age.action },
  };
}

export function buildTuning(tuning: Fields): TuningPolicy {
  const park = tuning.at('park');
  const recover = tuning.at('recover');
  return {
    themes: tuning.texts('themes') as Theme[],
    bounds: Object.fromEntries(
      tuning
        .at('bounds')
        .entries()
        .map(([key, b]) => [key, { min: b.numberOrNull('min'), max: b.numberOrNull('max') }]),
    ),
    ladder: tuning.numbers('ladder'),
    maxChangesPerDay: tuning.number('maxChangesPerDay'),
    hygieneChangesPerDay: tuning.number('hygieneChangesPerDay'),
    park: {
      forMs: park.ms('for'),
      multiplier: park.number('multiplier'),
      maxMs: park.ms('max'),
      withinMs: park.ms('within'),
      reparkWithinMs: park.ms('reparkWithin'),
      reparkCountMs: park.ms('reparkCount'),
    },
    trendStep: tuning.flag('trendStep'),
    recover: {
      provenAfterMs: recover.ms('provenAfter'),
      quietForMs: recover.ms('quietFor'),
      probationMs: recover.ms('probation'),
      backoff: recover.number('backoff'),
      maxWaitMs: recover.ms('maxWait'),
    },
    forgetAfterMs: tuning.ms('forgetAfter'),
    verdictWithinMs: tuning.ms('verdictWithin'),
    keys: Object.fromEntries(
      tuning
        .at('keys')
        .entries()
        .map(([key, k]) => [
          key,
          {
            type: k.text('type') as 'int' | 'decimal' | 'bool',
            min: k.numberOrNull('min'),
            max: k.numberOrNull('max'),
            theme: k.text('theme') as Theme,
            step: k.at('step').has('times')
              ? { times: k.at('step').number('times') }
              : { plus: k.at('step').number('plus') },
          },
        ]),
    ),
  };
}
