/** Verbs on targets and on who may use them: target, initiator, chap, session. */
import { OperatorError } from '../../../lun/errors.ts';
import { parsePortal } from '../../shell/portal.ts';
import { refuseSameSecrets, stored } from '../../targets/credentials.ts';
import { type TargetDocument, withMask } from '../../targets/documents.ts';
import { iscsiName } from '../../targets/names.ts';
import { type AdminContext, type Verb, verb } from '../verb.ts';

const targetCreate = verb({
  name: 'target.create',
  changes: true,
  fields: { name: 'string', alias: 'string?' },
  async run(context, { name, alias }) {
    return { name: await context.targets.create(name, alias) };
  },
});

const targetList = verb({
  name: 'target.list',
  changes: false,
  fields: {},
  run(context) {
    const { defaultTarget } = context.targets.server;
    return context.targets.list().map((target) => {
      const document = context.targets.document(target.name);
      return {
        name: target.name,
        default: target.name === defaultTarget,
        luns: target.units.numbers().length,
        sessions: context.hub.sessionsOf(target.name).length,
        chap:
          document.chapInbound === undefined
            ? 'off'
            : document.chapOutbound === undefined
              ? 'one-way'
              : 'mutual',
        allowedInitiators: document.allowedInitiators ?? null,
        redirect: document.redirect ?? null,
      };
    });
  },
});

const targetDelete = verb({
  name: 'target.delete',
  changes: true,
  fields: { name: 'string', force: 'boolean?' },
  async run(context, { name, force }) {
    const target = context.targets.get(iscsiName(name, 'target'));
    const sessions = context.hub.sessionsOf(target.name);
    if (sessions.length > 0 && force !== true) {
      const who = [...new Set(sessions.map((session) => session.facts.initiatorName))].join(', ');
      throw new OperatorError(
        'needs-force',
        `to delete ${target.name} would log out ${who}; add --force to go on`,
      );
    }
    await context.targets.remove(target.name);
    for (const { connection } of sessions) connection.feed({ type: 'drop', why: 'the target was deleted' });
  },
});

async function changeTarget(
  context: AdminContext,
  name: string | undefined,
  change: (document: TargetDocument) => TargetDocument,
): Promise<TargetDocument> {
  const targetName = context.targets.resolve(name);
  const document = change(context.targets.document(targetName));
  await context.targets.change({ [context.targets.get(targetName).documentName]: document });
  return document;
}

const targetRedirect = verb({
  name: 'target.redirect',
  changes: true,
  fields: { name: 'string', address: 'string?', permanent: 'boolean?' },
  async run(context, { name, address, permanent }) {
    if (address !== undefined) parsePortal(address);
    await changeTarget(context, name, ({ redirect: _before, ...document }) =>
      address === undefined
        ? document
        : { ...document, redirect: { address, permanent: permanent === true } },
    );
  },
});

const allow = verb({
  name: 'initiator.allow',
  changes: true,
  fields: { initiator: 'string', target: 'string?', luns: 'numbers?', allLuns: 'boolean?' },
  async run(context, { initiator, target, luns, allLuns }) {
    const name = iscsiName(initiator, 'initiator');
    if (luns !== undefined && allLuns === true) {
      throw new OperatorError('usage', 'an initiator is shown either some LUNs or all of them');
    }
    await changeTarget(context, target, (document) => {
      const absent = luns?.find((lun) => document.luns[String(lun)] === undefined);
      if (absent !== undefined) {
        throw new OperatorError(
          'not-found',
          `${document.targetName} has no LUN ${absent}; map something there first`,
        );
      }
      const allowed = [...new Set([...(document.allowedInitiators ?? []), name])].sort();
      const changed = { ...document, allowedInitiators: allowed };
      // Naming an initiator again widens nothing by itself.
      return luns === undefined && allLuns !== true ? changed : withMask(changed, name, luns);
    });
  },
});

const deny = verb({
  name: 'initiator.deny',
  changes: true,
  fields: { initiator: 'string', target: 'string?' },
  async run(context, { initiator, target }) {
    const name = iscsiName(initiator, 'initiator');
    const document = await changeTarget(context, target, (before) => {
      if (before.allowedInitiators?.includes(name) !== true) {
        throw new OperatorError('not-found', `${name} is not on the list of ${before.targetName}`);
      }
      const allowedInitiators = before.allowedInitiators.filter((other) => other !== name);
      return withMask({ ...before, allowedInitiators }, name, undefined);
    });
    for (const { facts, connection } of context.hub.sessionsOf(document.targetName)) {
      if (facts.initiatorName === name) connection.feed({ type: 'drop', why: 'the initiator was denied' });
    }
  },
});

const initiatorList = verb({
  name: 'initiator.list',
  changes: false,
  fields: { target: 'string?' },
  run(context, { target }) {
    const names =
      target === undefined
        ? context.targets.list().map((each) => each.name)
        : [context.targets.resolve(target)];
    return names.map((name) => ({
      target: name,
      allowedInitiators: context.targets.document(name).allowedInitiators ?? null,
      lunMasks: context.targets.document(name).lunMasks ?? {},
    }));
  },
});

const chapSet = verb({
  name: 'chap.set',
  changes: true,
  fields: {
    target: 'string?',
    ...{ user: 'string', secret: 'string', secretFile: 'string?' },
    ...{ mutualUser: 'string?', mutualSecret: 'string?', mutualSecretFile: 'string?' },
  },
  async run(context, args) {
    if ((args.mutualUser === undefined) !== (args.mutualSecret === undefined)) {
      throw new OperatorError('usage', 'mutual CHAP wants a name and a secret of its own');
    }
    const inbound = stored({ name: args.user, secret: args.secret, file: args.secretFile });
    const outbound =
      args.mutualUser === undefined || args.mutualSecret === undefined
        ? undefined
        : stored({ name: args.mutualUser, secret: args.mutualSecret, file: args.mutualSecretFile });
    refuseSameSecrets(inbound, outbound);
    await changeTarget(context, args.target, ({ chapOutbound: _before, ...document }) => ({
      ...document,
      chapInbound: inbound,
      ...(outbound === undefined ? {} : { chapOutbound: outbound }),
    }));
  },
});

const chapClear = verb({
  name: 'chap.clear',
  changes: true,
  fields: { target: 'string?' },
  async run(context, { target }) {
    await changeTarget(context, target, ({ chapInbound: _in, chapOutbound: _out, ...document }) => document);
  },
});

const sessionList = verb({
  name: 'session.list',
  changes: false,
  fields: {},
  run: (context) =>
    context.hub.sessions().map(({ facts, sinceMs }) => ({
      initiator: facts.initiatorName,
      target: facts.targetName ?? null,
      portal: facts.localAddress,
      portalGroup: facts.portalGroupTag,
      peer: facts.remoteAddress,
      tsih: facts.tsih,
      connections: 1,
      kind: facts.kind,
      user: facts.userName ?? null,
      sinceSeconds: Math.round((context.nowMs() - sinceMs) / 1000),
      parameters: facts.parameters,
    })),
});

const sessionDisconnect = verb({
  name: 'session.disconnect',
  changes: true,
  fields: { tsih: 'number' },
  run(context, { tsih }) {
    const session = context.hub.sessions().find((candidate) => candidate.facts.tsih === tsih);
    if (session === undefined) {
      throw new OperatorError(
        'not-found',
        `there is no session ${tsih}; \`snaplun session list\` shows them`,
      );
    }
    session.connection.feed({ type: 'drop', why: 'disconnected by the operator' });
  },
});

export const ACCESS_VERBS: readonly Verb[] = [
  targetCreate,
  targetList,
  targetDelete,
  targetRedirect,
  allow,
  deny,
  initiatorList,
  chapSet,
  chapClear,
  sessionList,
  sessionDisconnect,
];
