/** A process that runs seeds for another one (seeds.ts). It ends when that one lets go of it. */
import { type Job, runSeed } from './seeds.ts';

process.on('message', (job: Job) => {
  void runSeed(job).then((result) => process.send?.(result));
});
