/**
 * The fuzzer against a real server with a real pool over loopback. The bytes of each hostile connection
 * follow from the seed; how connections interleave does not, so a failure names its seed but is not cut
 * down.
 */
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { connectSocket, type Transport } from '../support/initiator/index.ts';
import { seededRandom } from '../support/random.ts';
import { type Server, startServer } from '../support/server.ts';
import { Assault, Tally } from './assault.ts';
import { ATTACKED_BLOCKS } from './cdbs.ts';
import { RECORDED_TARGET } from './recordings.ts';
import { VERIFIED_BLOCKS, VERIFIER, Verifier } from './verifier.ts';

const VERIFIED_TARGET = 'iqn.2026-11.io.snaplun:verified';
const CONNECTIONS = 4;
/** PDUs sent before the answers to them are waited for, so that neither side drowns. */
const STRIDE_PDUS = 8;
const CHECK_TIMEOUT_MS = 20_000;
const IDLE_SESSIONS_MS = 60_000;
const RESIDENT_BYTES_MAX = 1024 * 1024 * 1024;

interface Plan {
  readonly pdus: number;
  readonly seed: number;
}

export async function fuzzServer(plan: Plan, print: (line: string) => void): Promise<void> {
  const server = await startServer({ args: ['--target', RECORDED_TARGET] });
  const tally = new Tally();
  try {
    await furnish(server);
    const verifier = new Verifier(await connect(server), plan.seed);
    await verifier.login(VERIFIED_TARGET);
    await attack(server, verifier, plan, tally);
    await verifier.check();
    await verifier.logout();
    await assertSound(server);
    print(
      `${tally.pdus} PDUs, seed ${plan.seed}: no failure, ${verifier.checks} checks beside them; ` +
        `resident ${residentMib(server)} MiB`,
    );
    assert.equal((await server.kill('SIGTERM')).code, 0, 'the server stops cleanly');
    const report = await server.checkPool();
    assert.equal(report.code, 0, report.stdout);
  } catch (error) {
    print(
      `seed ${plan.seed} failed after ${tally.pdus} PDUs: ` +
        `${error instanceof Error ? error.stack : String(error)}`,
    );
    print(server.log.split('\n').slice(-20).join('\n'));
    process.exitCode = 1;
  } finally {
    await server.stop();
  }
}

function connect(server: Server): Promise<Transport> {
  return connectSocket({ host: server.host, port: server.port });
}

async function furnish(server: Server): Promise<void> {
  const attacked = String(ATTACKED_BLOCKS * 512);
  await server.cli('lun', 'create', 'plain', '--size', attacked);
  await server.cli('lun', 'create', 'removable', '--size', attacked, '--removable');
  await server.cli('lun', 'create', 'large', '--size', attacked, '--block-size', '4096');
  await server.cli('target', 'create', VERIFIED_TARGET);
  await server.cli(
    'lun',
    'create',
    'verified',
    '--size',
    String(VERIFIED_BLOCKS * 512),
    '--target',
    VERIFIED_TARGET,
  );
  await server.cli('initiator', 'allow', VERIFIER, '--target', VERIFIED_TARGET);
}

async function attack(server: Server, verifier: Verifier, plan: Plan, tally: Tally): Promise<void> {
  let next = plan.seed;
  const lanes = Array.from({ length: CONNECTIONS }, async () => {
    while (tally.pdus < plan.pdus) {
      const assault = new Assault(await connect(server), seededRandom(next++), tally);
      for (let sent = 1; !assault.over; sent += 1) {
        assault.step();
        assert(assault.fault === undefined, assault.fault);
        if (sent % STRIDE_PDUS === 0) await pause(0);
      }
    }
  });
  const attacking = Promise.all(lanes);
  let over = false;
  attacking.then(
    () => {
      over = true;
    },
    () => {
      over = true;
    },
  );
  while (!over) {
    const timeout = pause(CHECK_TIMEOUT_MS, false, { ref: false });
    assert(await Promise.race([verifier.check(), timeout]), 'the other session waits for ever');
    assert(residentMib(server) * 1024 ** 2 < RESIDENT_BYTES_MAX, 'the server takes too much memory');
    await pause(5);
  }
  await attacking;
}

/**
 * Sessions of closed connections go away by themselves, and nothing was logged that is the server's own
 * fault.
 */
async function assertSound(server: Server): Promise<void> {
  const deadlineMs = performance.now() + IDLE_SESSIONS_MS;
  for (;;) {
    const sessions = (await server.cli('session', 'list')) as readonly unknown[];
    if (sessions.length === 0) break;
    assert(performance.now() < deadlineMs, `${sessions.length} sessions are left behind`);
    await pause(200);
  }
  const faults = server.log.split('\n').filter((line) => /internal-error| error /.test(line));
  assert.deepEqual(faults, []);
}

function residentMib(server: Server): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024);
}
