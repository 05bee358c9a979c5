/** The embedded medium keeps the contract on a real file system; and what files alone can show. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { createFilePool, openFileMedium } from '../../../../snapshot/medium/file.ts';
import {
  CONTRACT_CAPACITY_BLOCKS,
  CONTRACT_SEGMENT_BYTES,
  mediumContract,
} from '../../../support/medium-contract.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'snaplun-medium-'));
afterAll(() => fs.rmSync(root, { recursive: true }));

const FORM = { capacityBlocks: CONTRACT_CAPACITY_BLOCKS, journalSegmentBytes: CONTRACT_SEGMENT_BYTES };

mediumContract('file', async () => {
  const directory = fs.mkdtempSync(path.join(root, 'pool-'));
  await createFilePool(directory, FORM);
  return () => openFileMedium(directory, { nowMs: () => performance.now() });
});
