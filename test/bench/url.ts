/** The words by which libiscsi and QEMU name a logical unit, for targets that somebody else has started. */
import type { Target } from './targets.ts';

const URL_WORDS = /^(?:([^=]+)=)?iscsi:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+)(?::(\d{1,5}))?\/([^/]+)\/(\d+)$/;
const ISCSI_PORT = 3260;

/** undefined when the text is no `iscsi://HOST:PORT/IQN/LUN`; `LABEL=` may stand before it. */
export function parseUrl(text: string): Target | undefined {
  const words = URL_WORDS.exec(text);
  const [, label, host, port, name, lun] = words ?? [];
  if (host === undefined || name === undefined) return undefined;
  const address = { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? ISCSI_PORT) };
  return { label: label ?? `port ${address.port}`, address, name, lun: Number(lun) };
}
