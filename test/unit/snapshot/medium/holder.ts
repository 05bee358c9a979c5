/**
 * A process that opens the pool in the directory it is given, and says on standard output how that went:
 * `refused <code> <message>`, or `open <epoch>` and then, told to write, `done <n>` for every block n that
 * it stored and logged, until it is killed.
 */
import { OperatorError } from '../../../../lun/errors.ts';
import { openFileMedium } from '../../../../snapshot/medium/file.ts';
import type { Medium } from '../../../../snapshot/medium/medium.ts';

const [directory = '', task = 'hold'] = process.argv.slice(2);

async function writeOn(medium: Medium): Promise<void> {
  for (let n = 1; ; n += 1) {
    await medium.data.write([{ place: n, bytes: new Uint8Array(4096).fill(n & 255) }]);
    const record = Buffer.alloc(512);
    record.writeUInt32LE(n);
    await medium.journal.append(record);
    if (n % 50 === 0) await medium.meta.commit([{ key: Buffer.from('last'), value: record }]);
    process.stdout.write(`done ${n}\n`);
    if (n % 10 === 0) await new Promise(setImmediate);
  }
}

try {
  const medium = await openFileMedium(directory);
  process.stdout.write(`open ${medium.lease.epoch}\n`);
  if (task === 'write') await writeOn(medium);
  else setInterval(() => medium.lease.epoch, 1000);
} catch (error) {
  if (!(error instanceof OperatorError)) throw error;
  process.stdout.write(`refused ${error.code} ${error.message}\n`);
}
