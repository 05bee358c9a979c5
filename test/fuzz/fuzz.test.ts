// 20,000 hostile PDUs against the whole target, beside a session that verifies its data; and that the
// fuzzer sees it when something breaks. The long runs are `npm run fuzz -- --pdus N`.
import { expect, test } from 'vitest';
import { Initiator } from '../support/initiator/index.ts';
import { NO_FUA, range } from '../support/pool-world.ts';
import { Tally } from './assault.ts';
import { RECORDED_TARGET } from './recordings.ts';
import { VERIFIED_BLOCKS } from './verifier.ts';
import { runWorld } from './world.ts';

const WORLDS = 10;
const WORLD_PDUS = 2_000;

test('no crash, no hang, nothing left behind, no other session disturbed', async () => {
  const tally = new Tally();
  for (let seed = 1; seed <= WORLDS; seed += 1) {
    const failure = await runWorld({ seed, pdus: WORLD_PDUS, tally });
    expect(failure, `npm run fuzz -- --seed ${seed} --pdus ${WORLD_PDUS}`).toBeUndefined();
  }
  // The hostile sessions are good enough to get every kind of answer.
  const answers = [
    'NOP-In',
    'SCSI Response',
    'Task Management Function Response',
    'Login Response',
    'Text Response',
    'SCSI Data-In',
    'Logout Response',
    'Ready To Transfer',
    'Reject',
  ];
  for (const answer of answers) expect(tally.counts.get(`got ${answer}`) ?? 0, answer).toBeGreaterThan(20);
  expect(tally.counts.get('logged session-reinstated') ?? 0).toBeGreaterThan(20);
}, 120_000);

test('the same seed sends and gets the same', async () => {
  const runs = [new Tally(), new Tally()];
  for (const tally of runs) await runWorld({ seed: 4, pdus: 600, tally });
  expect(runs[0]?.counts).toEqual(runs[1]?.counts);
});

test('a block changed behind the other session is seen', async () => {
  const failure = await runWorld({
    ...{ seed: 2, pdus: 400, tally: new Tally() },
    meanwhile: ({ world }, sentPdus) => {
      if (sentPdus >= 100) void world.pool.unit('verified').device.unmap([range(0, VERIFIED_BLOCKS)], NO_FUA);
    },
  });
  expect(failure).toMatch(/other data/);
});

test('an error in the log is seen, and so is a session that stays', async () => {
  const logged = await runWorld({
    ...{ seed: 3, pdus: 200, tally: new Tally() },
    meanwhile: ({ lines }) => lines.push({ level: 'error', message: 'a fault', fields: {} }),
  });
  expect(logged).toMatch(/the log has: a fault/);
  const left = await runWorld({
    ...{ seed: 3, pdus: 200, tally: new Tally() },
    meanwhile: (target, sentPdus) => {
      if (sentPdus === 150) void new Initiator(target.connect()).login({ targetName: RECORDED_TARGET });
    },
  });
  expect(left).toMatch(/connections are left behind/);
});
