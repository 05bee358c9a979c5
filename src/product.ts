/** What INQUIRY says this is (SPC-4 §6.6.2): vendor 8, product 16, revision 4 ASCII characters at most. */
import { readFileSync } from 'node:fs';

/** The version in package.json, which stands beside the built program and beside the sources alike. */
export const VERSION: string = readVersion();

export const PRODUCT = {
  vendor: 'SNAPLUN',
  product: 'VLUN',
  revision: VERSION.split('.').slice(0, 2).join('.').slice(0, 4),
} as const;

function readVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      const parsed: unknown = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8'));
      if (typeof parsed === 'object' && parsed !== null && 'version' in parsed) return String(parsed.version);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return '0.0.0';
}
