/**
 * One world of the fuzzer: a whole target in memory, a verifying session, and attackers that come and go
 * until a number of PDUs was sent. What happens follows from the seed alone, and the first K PDUs of a
 * world are the same whatever comes after them, so a failure can be cut down to the shortest prefix that
 * still shows it.
 */
import assert from 'node:assert';
import { seededRandom } from '../support/random.ts';
import { WholeTarget } from '../support/whole-target.ts';
import { Assault, type Tally } from './assault.ts';
import { ATTACKED_BLOCKS } from './cdbs.ts';
import { RECORDED_TARGET } from './recordings.ts';
import { VERIFIED_BLOCKS, VERIFIER, Verifier } from './verifier.ts';

const VERIFIED_TARGET = 'iqn.2026-11.io.snaplun:verified';
/** Turns of the loop that anything may take. A turn runs all that is due; the longest chains have tens. */
const TURNS_MAX = 3_000;
/** Past every deadline of the core: login, keepalive and logout. */
const PATIENCE_MS = 120_000;
const CHECK_EVERY_PDUS = 40;
const ASSAULTS_MAX = 5;
/** What a sound pool says of itself under attack; an attacker's SANITIZE is told as `purged`. */
const EXPECTED_FACTS: readonly string[] = ['checkpoint', 'recovered', 'purged'];

export interface WorldOptions {
  readonly seed: number;
  readonly pdus: number;
  readonly tally: Tally;
  /** Called when so many PDUs were sent; for tests that break the target to see that it is noticed. */
  readonly meanwhile?: (target: WholeTarget, sentPdus: number) => void;
}

/** What went wrong, or undefined. Throws only for faults of the fuzzer itself. */
export async function runWorld(options: WorldOptions): Promise<string | undefined> {
  const { seed } = options;
  const target = await WholeTarget.open({ defaultTarget: RECORDED_TARGET, seed });
  await furnish(target);
  const verifier = new Verifier(target.connect('192.0.2.8'), seed);
  await verifier.login(VERIFIED_TARGET);
  const unexpected: unknown[] = [];
  const onUnexpected = (error: unknown): void => void unexpected.push(error);
  process.on('unhandledRejection', onUnexpected);
  process.on('uncaughtException', onUnexpected);
  try {
    await attack(target, verifier, options);
    await close(target, verifier, options.tally);
    return unexpected.length === 0 ? undefined : reasonOf(unexpected[0]);
  } catch (error) {
    return reasonOf(unexpected[0] ?? error);
  } finally {
    process.off('unhandledRejection', onUnexpected);
    process.off('uncaughtException', onUnexpected);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function furnish(target: WholeTarget): Promise<void> {
  const attacked = { sizeBytes: ATTACKED_BLOCKS * 512 };
  await target.createLun({ name: 'plain', blockBytes: 512, ...attacked });
  await target.createLun({ name: 'removable', blockBytes: 512, removable: true, ...attacked });
  await target.createLun({ name: 'large', blockBytes: 4096, ...attacked });
  await target.front.targets.create(VERIFIED_TARGET, undefined);
  await target.createLun(
    { name: 'verified', blockBytes: 512, sizeBytes: VERIFIED_BLOCKS * 512 },
    VERIFIED_TARGET,
  );
  const { targets } = target.front;
  const document = { ...targets.document(VERIFIED_TARGET), allowedInitiators: [VERIFIER] };
  await targets.change({ [targets.get(VERIFIED_TARGET).documentName]: document });
}

async function attack(target: WholeTarget, verifier: Verifier, options: WorldOptions): Promise<void> {
  const random = seededRandom(options.seed);
  /**
   * In some worlds the target hardly gets a turn between PDUs, so that commands are under way at any
   * event.
   */
  const turns = random.pick([0.02, 0.3, 0.6]);
  const assaults: Assault[] = [];
  for (let sent = 0; sent < options.pdus; sent += 1) {
    if (assaults.length === 0 || (assaults.length < ASSAULTS_MAX && random.chance(0.05))) {
      assaults.push(new Assault(target.connect(), seededRandom(random.below(2 ** 31)), options.tally));
    }
    const assault = random.pick(assaults);
    assault.step();
    if (random.chance(turns)) await turn();
    if (random.chance(0.01)) await target.advance(random.pick([10, 1_000, 20_000]));
    if (assault.over) assaults.splice(assaults.indexOf(assault), 1);
    assert(assault.fault === undefined, assault.fault);
    options.meanwhile?.(target, sent);
    if (sent % CHECK_EVERY_PDUS === CHECK_EVERY_PDUS - 1) await inspect(target, verifier, options.tally);
  }
  for (const assault of assaults) assault.close();
}

async function inspect(target: WholeTarget, verifier: Verifier, tally: Tally): Promise<void> {
  assert((await target.within(TURNS_MAX, verifier.check())) === true, 'the other session waits for ever');
  lookAtLog(target, tally);
}

function lookAtLog({ lines, world }: WholeTarget, tally: Tally): void {
  const fault = lines.find((line) => line.level === 'error' || line.fields['event'] === 'internal-error');
  assert(fault === undefined, `the log has: ${fault?.message} ${JSON.stringify(fault?.fields)}`);
  const bad = world.environment.facts.find(({ type }) => !EXPECTED_FACTS.includes(type));
  assert(bad === undefined, `the pool says: ${JSON.stringify(bad)}`);
  for (const { fields } of lines) tally.add(`logged ${String(fields['event'])}`);
  lines.length = 0;
}

/** Everything that the attackers had must go away by itself, and the pool must be sound. */
async function close(target: WholeTarget, verifier: Verifier, tally: Tally): Promise<void> {
  const { hub } = target.front;
  for (let turns = 0; hub.connections().length > 1 && turns < TURNS_MAX; turns += 1) await turn();
  if (hub.connections().length > 1) await target.advance(PATIENCE_MS);
  assert.equal(hub.connections().length, 1, 'connections are left behind');
  for (let turns = 0; hub.sessions().length > 1 && turns < TURNS_MAX; turns += 1) await turn();
  assert.equal(hub.sessions().length, 1, 'sessions are left behind');
  await inspect(target, verifier, tally);
  assert((await target.within(TURNS_MAX, verifier.logout())) === true, 'the logout is not answered');
  const report = await target.world.pool.check({ data: true });
  assert.deepEqual(report.errors, [], 'the pool is not sound');
  await target.world.pool.close();
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
