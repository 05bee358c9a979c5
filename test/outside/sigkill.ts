/** The long form of sigkill.test.ts:  npm run verify:sigkill -- [--rounds 200] [--seed N] */
import { parseArgs } from 'node:util';
import { runRounds } from './sigkill/rounds.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const rounds = Number(values.rounds);
let survived = 0;
process.stdout.write(`seed ${seed}, ${rounds} rounds\n`);
try {
  await runRounds({
    seed,
    rounds,
    say: (line) => {
      survived += 1;
      process.stdout.write(`${line}\n`);
    },
  });
} catch (error) {
  process.exitCode = 1;
  process.stdout.write(`${error instanceof Error ? error.message : error}\n`);
}
process.stdout.write(`${survived} passed, ${process.exitCode === 1 ? 1 : 0} failed, 0 skipped\n`);
