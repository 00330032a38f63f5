/** The one JSON document of a command, as text. `fleet`: its name; null: its file is missing or wrong. */
export function documentText(
  kind: string,
  fleet: string | null,
  items: readonly unknown[],
  problems: readonly unknown[],
  summary: Record<string, unknown>,
): string {
  return `${JSON.stringify({ apiVersion: 'mmfleet/v1', kind, fleet, summary, items, problems }, null, 2)}\n`;
}
