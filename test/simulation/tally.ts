/** What a simulation has run, in numbers: of one run, or added up over many. */

export interface Tally {
  operations: number;
  powerCuts: number;
  kills: number;
  events: number;
  /** Openings that were ended, or failed, before the pool served. */
  brokenOpenings: number;
  /** Stores that the independent check has looked at. */
  checks: number;
  /** Commands given to the pool, and what else a script does, by kind. */
  readonly commands: Record<string, number>;
  /** Calls of the medium that were made to fail, by kind. */
  readonly faults: Record<string, number>;
}

export function newTally(): Tally {
  return {
    operations: 0,
    powerCuts: 0,
    kills: 0,
    events: 0,
    brokenOpenings: 0,
    checks: 0,
    commands: {},
    faults: {},
  };
}

export function count(counts: Record<string, number>, kind: string, more = 1): void {
  counts[kind] = (counts[kind] ?? 0) + more;
}

export function addTally(into: Tally, from: Tally): void {
  into.operations += from.operations;
  into.powerCuts += from.powerCuts;
  into.kills += from.kills;
  into.events += from.events;
  into.brokenOpenings += from.brokenOpenings;
  into.checks += from.checks;
  for (const [kind, times] of Object.entries(from.commands)) count(into.commands, kind, times);
  for (const [kind, times] of Object.entries(from.faults)) count(into.faults, kind, times);
}

/** A line on crashes, one on commands and one on faults. */
export function describeTally(tally: Tally): string[] {
  return [
    `${tally.operations} operations, ${tally.powerCuts} power cuts, ${tally.kills} kills, ${tally.events} events, ` +
      `${tally.brokenOpenings} openings broken off, ${tally.checks} checks`,
    `commands: ${listed(tally.commands)}`,
    `failed calls of the medium: ${listed(tally.faults)}`,
  ];
}

function listed(counts: Readonly<Record<string, number>>): string {
  const rows = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return rows.map(([kind, times]) => `${times} ${kind}`).join(', ') || 'none';
}
