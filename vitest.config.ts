import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['snaplun-source', 'node'] } },
  resolve: { conditions: ['snaplun-source', 'node'] },
  test: {
    include: ['test/**/*.test.ts', 'protocol/node-iscsi-pdu/test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    server: { deps: { inline: ['node-iscsi-pdu'] } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
