/** A configuration as a file that `apply` takes. Secrets are named, never shown. */
import { stringify } from 'yaml';
import { whenWords } from '../schedules/timing.ts';
import { exactSize } from '../units-of-size.ts';
import {
  CONFIG_FORMAT,
  type DeclaredChap,
  type DeclaredLun,
  type DeclaredSchedule,
  type DeclaredSecret,
  type DeclaredTarget,
} from './configuration.ts';
import type { WholeConfiguration } from './present.ts';

/** The same as a document of JSON, whose text `apply` takes as well. */
export type ConfigurationDocument = Readonly<Record<string, unknown>>;

export function renderYaml(document: ConfigurationDocument): string {
  return stringify(document, { lineWidth: 0 });
}

export function configurationDocument(whole: WholeConfiguration): ConfigurationDocument {
  const { pool, server, luns, targets, schedules } = whole;
  const size = pool.capacityBytes;
  return {
    snaplun: CONFIG_FORMAT,
    pool: said({ capacity: size && exactSize(size), thresholds: pool.thresholdPercents }),
    server: said({ ...server }),
    luns: objectOf(luns, lunDocument),
    targets: objectOf(targets, targetDocument),
    schedules: schedules.map(scheduleDocument),
  };
}

function said(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function objectOf<T>(map: ReadonlyMap<string, T>, one: (value: T) => unknown): Record<string, unknown> {
  return Object.fromEntries([...map].map(([name, value]) => [name, one(value)]));
}

function lunDocument(lun: DeclaredLun): unknown {
  return said({
    size: exactSize(lun.sizeBytes),
    'block-size': lun.blockBytes === 512 ? undefined : lun.blockBytes,
    'read-only': lun.readOnly || undefined,
    removable: lun.removable || undefined,
    'write-cache': lun.writeCache ? undefined : false,
    reserve: lun.reservedBytes === 0 ? undefined : exactSize(lun.reservedBytes),
    'iops-max': lun.iopsMax === 0 ? undefined : lun.iopsMax,
    'throughput-max': lun.throughputMaxBytes === 0 ? undefined : exactSize(lun.throughputMaxBytes),
    tracks: lun.tracks,
    clone: lun.clone,
  });
}

function targetDocument(target: DeclaredTarget): unknown {
  const { isDefault, alias, luns, initiators, chap, redirect } = target;
  return said({
    default: isDefault || undefined,
    alias,
    luns: Object.fromEntries(luns),
    initiators: initiators && Object.fromEntries(initiators),
    chap: chap && chapDocument(chap),
    redirect,
  });
}

function chapDocument({ inbound, outbound }: DeclaredChap): unknown {
  return {
    user: inbound.name,
    ...secretDocument('', inbound),
    ...(outbound && { 'mutual-user': outbound.name, ...secretDocument('mutual-', outbound) }),
  };
}

function secretDocument(prefix: string, { file }: DeclaredSecret): Record<string, string> {
  return file === undefined ? { [`${prefix}secret`]: 'stored' } : { [`${prefix}secret-file`]: file };
}

function scheduleDocument({ name, luns, when, keep }: DeclaredSchedule): unknown {
  const kept = Object.entries(keep).map(([period, count]) => [`keep-${period}`, count] as const);
  return {
    name,
    luns,
    ...whenWords(when),
    ...Object.fromEntries(kept),
  };
}
