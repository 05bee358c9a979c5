/** Counts what connections and the pool report, as it is logged; nothing here happens for every command. */
import { LoginStatus } from 'node-iscsi-pdu';
import type { Fact, FactKind } from '../../protocol/iscsi/effects.ts';
import type { PoolFact } from '../../snapshot/pool-types.ts';
import { FACT_KINDS } from '../log-facts.ts';

/** Why logins are refused, by the status of RFC 7143 §11.13.5 that was answered. */
const REASONS: ReadonlyMap<number, string> = new Map(
  Object.entries(LoginStatus)
    .filter(([, status]) => status >= LoginStatus.INITIATOR_ERROR)
    .map(([name, status]) => [status, name.toLowerCase()]),
);

export class ConnectionEvents {
  readonly byKind = new Map<FactKind, number>(FACT_KINDS.map((kind) => [kind, 0]));
  readonly failedLogins = new Map<string, number>([...REASONS.values()].map((reason) => [reason, 0]));
  /** Connections that were closed as soon as they came. */
  refused = 0;

  count({ kind, details }: Fact): void {
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
    if (kind !== 'login-refused' && kind !== 'authentication-failed') return;
    const reason = REASONS.get(Number(details?.['status'])) ?? 'initiator_error';
    this.failedLogins.set(reason, (this.failedLogins.get(reason) ?? 0) + 1);
  }
}

export class PoolEvents {
  checkpoints = 0;
  checkpointMs = 0;
  checkpointPages = 0;
  failedCheckpoints = 0;
  /** Stored blocks that failed their checksum when a command read them. */
  corruptBlocks = 0;
  /** Damage that scrubs found. */
  damages = 0;
  thresholds = 0;
  /** Times that the pool was reported full, once a minute at most. */
  fulls = 0;
  backgroundFailures = 0;
  recoveryMs = 0;

  count(fact: PoolFact): void {
    switch (fact.type) {
      case 'checkpoint':
        this.checkpoints += 1;
        this.checkpointMs += fact.durationMs;
        this.checkpointPages += fact.pages;
        return;
      case 'checkpoint-failed':
        this.failedCheckpoints += 1;
        return;
      case 'corrupt':
        this.corruptBlocks += 1;
        return;
      case 'damaged':
        this.damages += 1;
        return;
      case 'threshold':
        this.thresholds += 1;
        return;
      case 'full':
        this.fulls += 1;
        return;
      case 'background-failed':
        this.backgroundFailures += 1;
        return;
      case 'recovered':
        this.recoveryMs = fact.durationMs;
        return;
      case 'purged':
        // It stands in the log.
        return;
      case 'failed':
        // The pool's state says so from now on.
        return;
      default:
        fact satisfies never;
    }
  }
}
