/**
 * The soak from the command line: `npm run verify:soak [-- --minutes 10]`. A real server with a real pool
 * goes through 1,000 logins and logouts, 256 sessions at once, and minutes of LUNs mapped and unmapped
 * under I/O. After each, what it holds (heap, buffers, handles) must be what it held before, and nothing
 * may have failed.
 */
import assert from 'node:assert';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectSocket, Initiator } from '../support/initiator/index.ts';
import { type Server, startServer } from '../support/server.ts';
import { openMapping, STAYING_BYTES } from './mapping.ts';
import { describeMeasure, type Measure, measure, measureFlat } from './measure.ts';

const CYCLES = 1_000;
const SESSIONS = 256;
/** Sessions that one initiator name may have is less than that. */
const NAMES = 8;
/** Cycles until code is compiled and caches are warm. */
const WARM_UP_CYCLES = 200;
const SLICE_MS = 30_000;
const BLOCK_BYTES = 512;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function read(lba: number): Uint8Array {
  return Uint8Array.of(0x28, 0, 0, 0, lba >>> 8, lba, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
}

async function open(server: Server, nth: number): Promise<Initiator> {
  const initiator = new Initiator(await connectSocket({ host: server.host, port: server.port }));
  const initiatorName = `iqn.2026-01.test:soak${nth % NAMES}`;
  const isid = Uint8Array.of(0x80, 0, 0, 0x30, nth >>> 8, nth);
  await initiator.login({ targetName: server.target, initiatorName, isid });
  await initiator.command({ cdb: new Uint8Array(6) });
  const { status } = await initiator.command({ cdb: read(nth), dataInBytes: BLOCK_BYTES });
  assert.equal(status, 0, `session ${nth} cannot read`);
  return initiator;
}

async function cycle(server: Server, count: number): Promise<void> {
  for (let nth = 0; nth < count; nth += 1) {
    const initiator = await open(server, nth % 1000);
    assert.equal(await initiator.logout(), 0);
  }
}

async function crowd(server: Server): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, (_, nth) => open(server, nth)));
  const listed = (await server.cli('session', 'list')) as readonly unknown[];
  assert.equal(listed.length, SESSIONS, 'as many sessions are listed as are open');
  print(`${SESSIONS} sessions at once: ${describeMeasure(await measure(server))}`);
  const reads = sessions.map((session, nth) => session.command({ cdb: read(nth), dataInBytes: BLOCK_BYTES }));
  for (const { status } of await Promise.all(reads)) assert.equal(status, 0);
  for (const code of await Promise.all(sessions.map((session) => session.logout()))) assert.equal(code, 0);
}

async function soakMapping(server: Server, minutes: number): Promise<void> {
  const mapping = await openMapping(server);
  const endMs = performance.now() + minutes * 60_000;
  let first: Measure | undefined;
  let last: Measure | undefined;
  while (performance.now() < endMs) {
    await mapping.run(Math.min(endMs, performance.now() + SLICE_MS));
    last = await (first === undefined ? measure(server) : measureFlat(server, first, 'mapping under I/O'));
    first ??= last;
    print(`${JSON.stringify(mapping.tally)}: ${describeMeasure(last)}`);
  }
  await mapping.close();
  assert(last !== undefined, 'the time is long enough for a slice');
}

async function soak(server: Server): Promise<void> {
  await cycle(server, WARM_UP_CYCLES);
  const idle = await measure(server);
  print(`after ${WARM_UP_CYCLES} logins: ${describeMeasure(idle)}`);
  await cycle(server, CYCLES);
  const cycled = await measureFlat(server, idle, 'logins and logouts');
  print(`after ${CYCLES} more logins and logouts: ${describeMeasure(cycled)}`);
  await crowd(server);
  const alone = await measureFlat(server, { ...idle, usedBytes: Number.MAX_SAFE_INTEGER }, 'first crowd');
  print(`after they have gone: ${describeMeasure(alone)}`);
  await crowd(server);
  await measureFlat(server, alone, `${SESSIONS} sessions at once`);
  await soakMapping(server, Number(values.minutes));
  const faults = server.log.split('\n').filter((line) => / (error|warn) /.test(line));
  assert.deepEqual(faults, [], 'the log has nothing to warn of');
}

const probe = fileURLToPath(new URL('probe.mjs', import.meta.url));
const server = await startServer({
  nodeArgs: ['--expose-gc', '--import', probe],
  args: ['--init', `disk0:${STAYING_BYTES}`],
});
try {
  await soak(server);
  assert.equal((await server.kill('SIGTERM')).code, 0, 'the server stops cleanly');
  const report = await server.checkPool();
  assert.equal(report.code, 0, report.stdout);
  print('no leak, no error, and the pool is sound');
} finally {
  await server.stop();
}
