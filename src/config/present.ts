/** What stands at the moment, in the words of the configuration file. */
import type { Pool } from '../../snapshot/pool.ts';
import type { Schedules } from '../schedules/schedules.ts';
import { asSettings, SETTINGS_DOCUMENT } from '../settings.ts';
import { referenceText, type StoredCredentials, type TargetDocument } from '../targets/documents.ts';
import type { Targets } from '../targets/targets.ts';
import type {
  Configuration,
  DeclaredChap,
  DeclaredLun,
  DeclaredSchedule,
  DeclaredSecret,
  DeclaredTarget,
} from './configuration.ts';

/** What a configuration is about. */
export interface Declarable {
  readonly pool: Pool;
  readonly targets: Targets;
  readonly schedules: Schedules;
}

/** Every section of it. */
export type WholeConfiguration = Required<Configuration>;

export function presentConfiguration({ pool, targets, schedules }: Declarable): WholeConfiguration {
  const { thresholdPercents, ...server } = asSettings(pool.documents.get(SETTINGS_DOCUMENT));
  const { defaultTarget } = targets.server;
  const shown = targets.list().map(({ name }): readonly [string, DeclaredTarget] => {
    return [name, declaredTarget(targets.document(name), name === defaultTarget)];
  });
  return {
    pool: { capacityBytes: pool.status().capacityBytes, thresholdPercents },
    server,
    luns: new Map(pool.list().map((info) => [info.name, declaredLun(info)])),
    targets: new Map(shown.sort(([one], [other]) => (one < other ? -1 : 1))),
    schedules: schedules
      .list()
      .map(({ name, luns, when, keep }): DeclaredSchedule => ({ name, luns, when, keep })),
  };
}

function declaredLun(info: ReturnType<Pool['list']>[number]): DeclaredLun {
  const { sizeBytes, blockBytes, readOnly, removable, writeCache, reservedBytes, tracks, parent } = info;
  const { iopsMax, throughputMaxBytes } = info;
  return {
    ...{ iopsMax, throughputMaxBytes },
    ...{ sizeBytes, blockBytes, readOnly, removable, writeCache, reservedBytes, tracks },
    clone: tracks === undefined ? parent : undefined,
  };
}

function declaredTarget(document: TargetDocument, isDefault: boolean): DeclaredTarget {
  const { alias, luns, allowedInitiators, lunMasks = {}, redirect } = document;
  const shown = Object.entries(luns).map(
    ([lun, reference]) => [Number(lun), referenceText(reference)] as const,
  );
  const initiators = allowedInitiators?.map((name) => [name, lunMasks[name] ?? ('all' as const)] as const);
  return {
    ...{ isDefault, alias, redirect },
    luns: new Map(shown.sort(([one], [other]) => one - other)),
    initiators: initiators && new Map(initiators),
    chap: declaredChap(document),
  };
}

function declaredChap({ chapInbound, chapOutbound }: TargetDocument): DeclaredChap | undefined {
  if (chapInbound === undefined) return undefined;
  const outbound = chapOutbound && { outbound: declaredSecret(chapOutbound) };
  return { inbound: declaredSecret(chapInbound), ...outbound };
}

function declaredSecret({ name, file }: StoredCredentials): DeclaredSecret {
  return { name, file };
}
