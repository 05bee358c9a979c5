import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** On two processors vitest takes one worker, though most tests wait for servers that they start. */
const WORKERS_MIN = 2;

export default defineConfig({
  ssr: { resolve: { conditions: ['snaplun-source', 'node'] } },
  resolve: { conditions: ['snaplun-source', 'node'] },
  test: {
    include: ['test/**/*.test.ts', 'protocol/node-iscsi-pdu/test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    server: { deps: { inline: ['node-iscsi-pdu'] } },
    maxWorkers: Math.max(WORKERS_MIN, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
