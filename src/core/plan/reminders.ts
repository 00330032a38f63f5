/** When to say again that something needs a person: at once, then with a growing interval, and once more when it is over. */
export type Reminder = { text: string; saidAtMs: number; nextMs: number };

const FIRST_MS = 60_000;
const MOST_MS = 3_600_000;

/**
 * `held`: reason by instance (or what else it is about), now. Says what is new or due, and what is over; the same reason is repeated after 1, 2, 4, ...
 * minutes, at most once an hour. The text is a function of the data, so that a reader can de-duplicate it.
 */
export function remind(
  before: ReadonlyMap<string, Reminder>,
  held: ReadonlyMap<string, string>,
  nowMs: number,
): { reminders: Map<string, Reminder>; say: { name: string; text: string }[]; over: string[] } {
  const reminders = new Map<string, Reminder>();
  const say: { name: string; text: string }[] = [];
  for (const [name, text] of held) {
    const known = before.get(name);
    if (known === undefined || known.text !== text) {
      say.push({ name, text });
      reminders.set(name, { text, saidAtMs: nowMs, nextMs: FIRST_MS });
    } else if (nowMs - known.saidAtMs >= known.nextMs) {
      say.push({ name, text });
      reminders.set(name, { text, saidAtMs: nowMs, nextMs: Math.min(known.nextMs * 2, MOST_MS) });
    } else reminders.set(name, known);
  }
  return { reminders, say, over: [...before.keys()].filter((name) => !held.has(name)) };
}
