/**
 * Kills the server at a seeded moment under a seeded load, again and again: after every restart each
 * acknowledged write must be there and the pool must be sound, first as the kill left it and then as recovery
 * made it.
 */
import assert from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '../../support/random.ts';
import { type Server, startServer } from '../../support/server.ts';
import { Disk } from './disk.ts';
import { type LoadTally, runLoad, SESSION_COUNT, type ValueSource } from './load.ts';
import { SECTOR_BYTES, SectorModel } from './sector-model.ts';

const CAPACITY_BYTES = 64 * 1024 * 1024;
const READ_SECTORS = 2048;
const SHOWN_MAX = 5;

export interface RoundsOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

const place = (server: Server) => ({ host: server.host, port: server.port, target: server.target, lun: 0 });

/** Most kills come early, while everything is new; some after the pool's own flush and checkpoints. */
function pickDelayMs(random: Random): number {
  return random.chance(0.15) ? random.between(1_000, 2_500) : random.between(5, 300);
}

async function verify(server: Server, model: SectorModel): Promise<void> {
  const disk = await Disk.open(place(server));
  for (let lba = 0; lba < model.capacitySectors; lba += READ_SECTORS) {
    const sectors = Math.min(READ_SECTORS, model.capacitySectors - lba);
    const wrong = model.settle({ lba, data: await disk.read({ lba, sectors }) });
    const shown = wrong.slice(0, SHOWN_MAX).map((one) => {
      return `sector ${one.lba} holds ${one.found}, not one of the writes ${one.allowed.join(', ')}`;
    });
    assert(wrong.length === 0, `${wrong.length} sectors are wrong:\n${shown.join('\n')}`);
  }
  await disk.close();
}

async function checkOffline(server: Server): Promise<void> {
  const outcome = await server.checkPool();
  assert(outcome.code === 0, `pool check: exit ${outcome.code}: ${outcome.stdout}${outcome.stderr}`);
}

async function killUnderLoad(
  server: Server,
  model: SectorModel,
  values: ValueSource,
  random: Random,
): Promise<{ tally: LoadTally; delayMs: number }> {
  const opened = Array.from({ length: SESSION_COUNT }, (_, nth) => Disk.open(place(server), nth + 1));
  const disks = await Promise.all(opened);
  const delayMs = pickDelayMs(random);
  const load = runLoad({ model, disks, values, seed: random.below(2 ** 31) });
  const killed = sleep(delayMs).then(() => server.kill('SIGKILL'));
  const [tally] = await Promise.all([load, killed]);
  for (const disk of disks) disk.abandon();
  return { tally, delayMs };
}

/** Rejects, with the server's log, at the first round that loses something. */
export async function runRounds({ seed, rounds, say }: RoundsOptions): Promise<void> {
  const random = seededRandom(seed);
  const server = await startServer({ args: ['--init', `disk0:${CAPACITY_BYTES}`] });
  const model = new SectorModel(CAPACITY_BYTES / SECTOR_BYTES);
  const values: ValueSource = { next: 1 };
  let round = 0;
  let kept = false;
  try {
    for (round = 1; round <= rounds; round += 1) {
      const { tally, delayMs } = await killUnderLoad(server, model, values, random);
      await checkOffline(server);
      await server.start();
      await verify(server, model);
      const counts = `${tally.acknowledged} acknowledged, ${tally.inFlight} in flight`;
      say(`round ${round}: killed after ${delayMs} ms, ${counts}, ${tally.unmaps} unmaps: all there`);
    }
    const exit = await server.kill('SIGTERM');
    assert(exit.code === 0, `the server did not stop cleanly: ${JSON.stringify(exit)}`);
    await checkOffline(server);
  } catch (error) {
    kept = true;
    const where = `round ${round} of seed ${seed}, pool kept in ${server.pool}`;
    throw new assert.AssertionError({
      message: `${where}: ${messageOf(error)}\n${server.log.slice(-4_000)}`,
    });
  } finally {
    if (kept) await server.abandon();
    else await server.stop();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
