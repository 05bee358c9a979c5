/**
 * Health, readiness and metrics over HTTP, for whoever watches the server. It has no password and tells
 * names of LUNs and initiators, so it is off unless asked for, and on loopback unless told otherwise.
 *
 * It opens before the pool does: a recovery that takes its time is alive, and not ready.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { OperatorError } from '../../lun/errors.ts';
import type { Clock } from '../clock.ts';
import { addressText, type PortalAddress } from '../shell/portal.ts';
import { EXPOSITION_TYPE, expose, type Family } from './exposition.ts';
import { type MetricsSource, processFamilies, serverFamilies } from './metrics.ts';

const CONNECTIONS_MAX = 64;
const REQUEST_MS = 10_000;

/** Where to listen when only a port is said, and when only a host is. */
export const MONITOR_HOST = '127.0.0.1';
export const METRICS_PORT = 9326;

interface Verdict {
  readonly ok: boolean;
  readonly text: string;
}

export class Monitor {
  readonly address: string;
  readonly #server: Server;
  readonly #startedAtMs: number;
  #source: MetricsSource | undefined;
  #stopping = false;

  private constructor(server: Server, address: string, startedAtMs: number) {
    this.#server = server;
    this.address = address;
    this.#startedAtMs = startedAtMs;
    server.on('request', (request, response) => this.#answer(request, response));
  }

  /** OperatorError metrics: it cannot listen there. */
  static open(where: PortalAddress, clock: Clock): Promise<Monitor> {
    const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS });
    server.maxConnections = CONNECTIONS_MAX;
    return new Promise((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) => {
        const text = addressText(where.host, where.port);
        const why = cause.code ?? cause.message;
        reject(new OperatorError('metrics', `cannot serve metrics on ${text}: ${why}`, { cause }));
      });
      server.listen({ host: where.host, port: where.port }, () => {
        const bound = server.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : where.port;
        resolve(new Monitor(server, addressText(where.host, port), clock.wallMs()));
      });
    });
  }

  /** The portals are open. */
  serving(source: MetricsSource): void {
    this.#source = source;
  }

  /** From now on it is not ready; it goes on to answer until `close`. */
  stopping(): void {
    this.#stopping = true;
  }

  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    return closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    // Whoever asked and went away needs no answer.
    response.on('error', () => response.destroy());
    const { method = '', url = '' } = request;
    const path = url.split('?')[0];
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      say(response, 405, 'only GET and HEAD');
    } else if (path === '/healthz') judge(response, this.#health());
    else if (path === '/readyz') judge(response, this.#readiness());
    else if (path === '/metrics') void this.#metrics(response, method === 'HEAD');
    else say(response, 404, 'there are /healthz, /readyz and /metrics');
  }

  /** Whether a restart would be of any use. */
  #health(): Verdict {
    return this.#source?.pool.state === 'failed'
      ? { ok: false, text: 'the pool failed: see the log' }
      : { ok: true, text: 'ok' };
  }

  /** Whether initiators can log in. */
  #readiness(): Verdict {
    if (this.#stopping) return { ok: false, text: 'stopping' };
    if (this.#source === undefined) return { ok: false, text: 'starting' };
    const { state } = this.#source.pool;
    return state === 'serving' ? { ok: true, text: 'ok' } : { ok: false, text: `the pool is ${state}` };
  }

  /** Lets the loop turn after each family, since there may be hundreds of LUNs. */
  async #metrics(response: ServerResponse, headOnly: boolean): Promise<void> {
    response.setHeader('Content-Type', EXPOSITION_TYPE);
    if (!headOnly) {
      for (const family of this.#families()) {
        response.write(expose(family));
        await turn();
      }
    }
    response.end();
  }

  *#families(): Generator<Family> {
    yield* processFamilies(this.#startedAtMs);
    if (this.#source !== undefined) yield* serverFamilies(this.#source);
  }
}

function judge(response: ServerResponse, { ok, text }: Verdict): void {
  say(response, ok ? 200 : 503, text);
}

function say(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.end(`${text}\n`);
}
