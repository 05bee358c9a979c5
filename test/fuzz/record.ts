/**
 * Records what real initiators send: `node --import ./test/support/run-typescript.mjs
 * test/fuzz/record.ts` runs libiscsi's tools against a real server through a relay and writes the
 * beginning of each session, one PDU a line in hexadecimal, an empty line between sessions. The
 * recordings are part of the tree, so that the fuzzer needs none of those tools.
 */
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { Deframer } from 'node-iscsi-pdu';
import { run } from '../support/child.ts';
import { startServer } from '../support/server.ts';
import { RECORDED_TARGET } from './recordings.ts';

/** What is longer, or comes later, is more of the same. */
const PDU_BYTES_MAX = 2_048;
const SESSION_PDUS_MAX = 40;

/** Whole PDUs as they came, each in one buffer; no digests were negotiated. */
function cut(stream: Uint8Array): Uint8Array[] {
  const deframer = new Deframer({ maxDataSegmentLength: 0xffffff });
  deframer.push(stream);
  const pdus: Uint8Array[] = [];
  let at = 0;
  for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) {
    const bytes = 48 + frame.ahs.length + ((frame.data.length + 3) & ~3);
    pdus.push(stream.subarray(at, at + bytes));
    at += bytes;
  }
  return pdus;
}

async function record(): Promise<void> {
  const server = await startServer({ args: ['--target', RECORDED_TARGET, '--init', 'disk0:16M'] });
  const recorded: Buffer[][] = [];
  const relay = createServer((socket) => {
    const chunks: Buffer[] = [];
    recorded.push(chunks);
    const onward = connect({ host: server.host, port: server.port });
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      onward.write(chunk);
    });
    onward.on('data', (chunk) => socket.write(chunk));
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const address = relay.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const url = `iscsi://127.0.0.1:${port}/${RECORDED_TARGET}/0`;
  await run('iscsi-ls', ['-s', `iscsi://127.0.0.1:${port}`]);
  await run('iscsi-inq', [url]);
  await run('iscsi-readcapacity16', [url]);
  const tests = [
    'Read10.Simple',
    'Write16.Simple',
    'Unmap.Simple',
    'CompareAndWrite.Simple',
    'ModeSense6.AllPages',
    'ReportSupportedOpcodes.Simple',
    'iSCSITMF.AbortTaskSimpleAsync',
    'Reserve6.Simple',
    'iSCSIDataSn.iSCSIDataSnInvalid',
  ];
  for (const name of tests) await run('iscsi-test-cu', ['--dataloss', '-n', '-t', `ALL.${name}`, url]);
  await run('iscsi-test-cu', ['--dataloss', '-n', '-t', 'ALL.Write10.Simple', url]);
  relay.close();
  await server.stop();
  const sessions = recorded.map((chunks) =>
    cut(Buffer.concat(chunks))
      .filter((pdu) => pdu.length <= PDU_BYTES_MAX)
      .slice(0, SESSION_PDUS_MAX)
      .map((pdu) => `${Buffer.from(pdu).toString('hex')}\n`)
      .join(''),
  );
  const different = [...new Set(sessions)].filter((text) => text !== '');
  writeFileSync(new URL('recordings.hex', import.meta.url), different.join('\n'));
  process.stdout.write(`${different.length} different sessions\n`);
}

await record();
