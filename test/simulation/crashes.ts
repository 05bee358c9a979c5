/**
 * Every crash point of a scenario with every structural verb, from the command line; it takes minutes:
 *
 *   npm run simulate:crashes [-- --power-cuts 3] [--openings-every 20]
 *
 * At every so manieth point the opening that follows is ended too, at each of its own points.
 */
import { parseArgs } from 'node:util';
import { enumerateCrashes, enumerateOpenings, WHOLE_SCENARIO } from './crash-points.ts';
import { newTally } from './tally.ts';

const { values } = parseArgs({
  options: {
    'power-cuts': { type: 'string', default: '3' },
    'openings-every': { type: 'string', default: '20' },
  },
});

const tally = newTally();
const { points, runs } = await enumerateCrashes(WHOLE_SCENARIO, Number(values['power-cuts']), tally);
process.stdout.write(
  `${points} crash points, each ended by a kill and by ${values['power-cuts']} power cuts: ${runs} runs clean\n`,
);
for (let events = 0; events < points; events += Number(values['openings-every'])) {
  await enumerateOpenings(events, WHOLE_SCENARIO, tally);
}
process.stdout.write(
  `${tally.brokenOpenings} openings ended as well; in all ${tally.kills} kills, ${tally.powerCuts} power cuts, ` +
    `${tally.checks} checks\n`,
);
