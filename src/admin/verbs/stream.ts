/** Verbs with a stream of bytes: export and import. */
import { createHash } from 'node:crypto';
import { OperatorError } from '../../../lun/errors.ts';
import { exportStream } from '../../../snapshot/stream-export.ts';
import type { StreamTools } from '../../../snapshot/stream-format.ts';
import { importStream } from '../../../snapshot/stream-import.ts';
import { blockChecksum } from '../../checksums.ts';
import { checkArguments } from '../arguments.ts';
import type { StreamVerb } from '../verb.ts';
import { snapshotRow, vlunRow } from './rows.ts';

const TOOLS: StreamTools = {
  checksum: blockChecksum,
  newDigest: () => {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), finish: () => hash.digest('hex') };
  },
};

const exportVerb: StreamVerb = {
  name: 'export',
  direction: 'out',
  async run(context, given, channel) {
    const args = checkArguments('export', { vlun: 'string', snapshot: 'string', from: 'string?' }, given);
    const { vlun, snapshot, from } = args;
    const request = { vlun, snapshot, ...(from !== undefined && from !== null && { from }) };
    let bytes = 0;
    await context.exports.during(
      vlun,
      from === undefined || from === null ? [snapshot] : [snapshot, from],
      async () => {
        for await (const chunk of exportStream(context.pool, request, TOOLS)) {
          await channel.write(chunk);
          bytes += chunk.byteLength;
        }
      },
    );
    context.log.info('snapshot exported', { event: 'snapshot-exported', lun: vlun, snapshot, from, bytes });
    return { bytes };
  },
};

const importVerb: StreamVerb = {
  name: 'import',
  direction: 'in',
  async run(context, given, channel) {
    const { name } = checkArguments('import', { name: 'string' }, given);
    const brokeOff = (): OperatorError =>
      new OperatorError('bad-stream', 'the client broke off the stream; nothing was changed');
    const documents = (): Readonly<Record<string, unknown>> =>
      context.targets.planMap({ vlun: name }, {}).documents;
    const { vlun, snapshot, repeated } = await importStream(
      context.pool,
      { name, documents },
      channel.read(brokeOff),
      TOOLS,
    );
    context.targets.refresh();
    context.log.info('stream imported', {
      event: 'stream-imported',
      name,
      snapshot: snapshot.name,
      repeated,
    });
    return { ...vlunRow(context, vlun), snapshot: snapshotRow(context, snapshot), repeated };
  },
};

export const STREAM_VERBS: readonly StreamVerb[] = [exportVerb, importVerb];
