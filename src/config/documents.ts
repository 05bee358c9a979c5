/** The documents of targets and settings in which a configuration stands. */
import { SETTINGS_DOCUMENT, type Settings } from '../settings.ts';
import { refuseSameSecrets, stored } from '../targets/credentials.ts';
import {
  emptyTarget,
  referenceOf,
  referenceText,
  SERVER_DOCUMENT,
  type StoredCredentials,
  type TargetDocument,
  targetDocumentName,
  withMask,
} from '../targets/documents.ts';
import { withLun, withoutLuns } from '../targets/lun-numbers.ts';
import type { DocumentChanges, Targets } from '../targets/targets.ts';
import type { DeclaredSecret, DeclaredTarget } from './configuration.ts';
import type { WholeConfiguration } from './present.ts';
import { ConfigFault, type Path, placed } from './shapes.ts';

/** What the files that are named hold, by their absolute paths. */
export type Secrets = ReadonlyMap<string, string>;

export interface TargetPlan {
  readonly documents: DocumentChanges;
  /** `inbound NAME` or `outbound NAME` of each target that gets another secret than it had. */
  readonly newSecrets: ReadonlySet<string>;
}

/** ConfigFault: a secret is missing, or is none. */
export function planTargets(targets: Targets, whole: WholeConfiguration, secrets: Secrets): TargetPlan {
  const { server } = targets;
  const documents: Record<string, TargetDocument | undefined> = {};
  const newSecrets = new Set<string>();
  let { lastTargetId } = server;
  const entries = server.targets.filter(({ name }) => whole.targets.has(name));
  for (const [name, declared] of whole.targets) {
    let entry = entries.find((one) => one.name === name);
    const before = entry === undefined ? emptyTarget(name) : targets.document(name);
    if (entry === undefined) {
      lastTargetId += 1;
      entry = { name, id: lastTargetId };
      entries.push(entry);
    }
    const document = targetDocument(before, declared, secrets);
    documents[targetDocumentName(entry)] = document;
    if (isOther(before.chapInbound, document.chapInbound)) newSecrets.add(`inbound ${name}`);
    if (isOther(before.chapOutbound, document.chapOutbound)) newSecrets.add(`outbound ${name}`);
  }
  const gone = server.targets.filter((one) => !entries.includes(one));
  for (const entry of gone) documents[targetDocumentName(entry)] = undefined;
  const removedTargets = [
    ...server.removedTargets.filter((name) => !whole.targets.has(name)),
    ...gone.map(({ name }) => name),
  ];
  const [defaultTarget = server.defaultTarget] =
    [...whole.targets].find(([, { isDefault }]) => isDefault) ?? [];
  const list = { defaultTarget, targets: entries, lastTargetId, removedTargets };
  return { documents: { ...documents, [SERVER_DOCUMENT]: list }, newSecrets };
}

function targetDocument(before: TargetDocument, declared: DeclaredTarget, secrets: Secrets): TargetDocument {
  const { alias, initiators, chap, redirect } = declared;
  const path = ['targets', before.targetName, 'chap'];
  const chapInbound = chap && credentials(chap.inbound, before.chapInbound, { secrets, path, prefix: '' });
  const outbound = { secrets, path, prefix: 'mutual-' };
  const chapOutbound = chap?.outbound && credentials(chap.outbound, before.chapOutbound, outbound);
  if (chapInbound !== undefined) placed(path, () => refuseSameSecrets(chapInbound, chapOutbound));
  const { targetName, luns, retiredLuns } = mapped(before, declared);
  let document: TargetDocument = {
    ...{ targetName, luns, retiredLuns },
    ...(alias !== undefined && { alias }),
    ...(initiators && { allowedInitiators: [...initiators.keys()].sort() }),
    ...(redirect && { redirect }),
    ...(chapInbound && { chapInbound }),
    ...(chapOutbound && { chapOutbound }),
  };
  for (const [name, shown] of initiators ?? []) {
    if (shown !== 'all') document = withMask(document, name, shown);
  }
  return document;
}

/** LUN numbers that show something else, or nothing, retire as those that are unmapped do. */
function mapped(before: TargetDocument, { luns }: DeclaredTarget): TargetDocument {
  let document = withoutLuns(before, (reference, lun) => luns.get(lun) !== referenceText(reference));
  for (const [lun, reference] of luns) {
    if (document.luns[String(lun)] === undefined) document = withLun(document, lun, referenceOf(reference));
  }
  return document;
}

function credentials(
  { name, file }: DeclaredSecret,
  before: StoredCredentials | undefined,
  from: { readonly secrets: Secrets; readonly path: Path; readonly prefix: string },
): StoredCredentials | undefined {
  if (file === undefined) return before;
  const path = [...from.path, `${from.prefix}secret-file`];
  const secret = from.secrets.get(file);
  if (secret === undefined) throw new ConfigFault(path, `the secret in ${file} was not read`);
  return placed(path, () => stored({ name, secret, file }));
}

function isOther(before: StoredCredentials | undefined, now: StoredCredentials | undefined): boolean {
  return before !== undefined && now !== undefined && before.secretHex !== now.secretHex;
}

/** The settings of a configuration; a document without anything is none. */
export function settingsOf({ pool, server }: WholeConfiguration): Settings {
  const said = Object.entries({ ...server, thresholdPercents: pool.thresholdPercents });
  return Object.fromEntries(said.filter(([, value]) => value !== undefined));
}

/** Those of the documents that are not as they are wanted; JSON is how they are stored. */
export function onlyChanged(get: (name: string) => unknown, wanted: DocumentChanges): DocumentChanges {
  const same = (name: string, value: unknown): boolean => canonical(get(name)) === canonical(value);
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => !same(name, value)));
}

export function settingsDocument(settings: Settings): DocumentChanges {
  return { [SETTINGS_DOCUMENT]: Object.keys(settings).length === 0 ? undefined : settings };
}

/** The text of a value, whatever the order of its keys. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, one: unknown) => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return one;
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
