/**
 * Keeps an iSNS server told of this one: its portals and targets are registered at the start, when they
 * change and every so often, and taken back at a stop. Nothing waits for that server: while it does not
 * answer, initiators that know the address are served all the same, and the log says so once.
 */
import { connect } from 'node:net';
import { OperatorError } from '../../lun/errors.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { PortalAddress } from '../shell/portal.ts';
import { deregistration, type IsnsEntity, registration, responseStatus } from './messages.ts';

const REFRESH_MS = 60_000;
const ANSWER_WITHIN_MS = 5_000;
/** No response is larger than what was asked about, by much. */
const RESPONSE_BYTES_MAX = 65_536 + 12;

export interface IsnsOptions {
  readonly server: PortalAddress;
  /** What is true at the moment. */
  readonly entity: () => IsnsEntity;
  readonly clock: Clock;
  readonly log: Log;
}

export class IsnsClient {
  readonly #options: IsnsOptions;
  #transaction = 0;
  /** What the server knows. */
  #registered: string | undefined;
  #complained = false;
  #stopped = false;
  #cancel: (() => void) | undefined;

  constructor(options: IsnsOptions) {
    this.#options = options;
  }

  /** Registers now and from time to time. Never rejects. */
  async refresh(): Promise<void> {
    const { clock, log, entity } = this.#options;
    this.#cancel?.();
    try {
      const present = entity();
      if (present.portals.length > 0) await this.#register(present);
      this.#complained = false;
    } catch (error) {
      if (!this.#complained) {
        const why = error instanceof Error ? error.message : String(error);
        log.warn('the iSNS server was not told; trying again', { event: 'isns-failed', why });
      }
      this.#complained = true;
    }
    if (!this.#stopped) this.#cancel = clock.after(REFRESH_MS, () => void this.refresh());
  }

  /** Takes the registration back, if there is one. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    if (this.#registered === undefined) return;
    try {
      await this.#exchange(deregistration(this.#options.entity(), this.#nextTransaction()));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.log.warn('the iSNS server was not told of the stop', { event: 'isns-failed', why });
    }
  }

  async #register(entity: IsnsEntity): Promise<void> {
    const known = JSON.stringify(entity);
    const replace = known !== this.#registered;
    await this.#exchange(registration(entity, { transaction: this.#nextTransaction(), replace }));
    this.#registered = known;
  }

  #nextTransaction(): number {
    this.#transaction = (this.#transaction + 1) & 0xffff;
    return this.#transaction;
  }

  /** Sends one message and waits for a response that says success. */
  #exchange(message: Uint8Array): Promise<void> {
    const { server, clock } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = connect(server);
      const chunks: Uint8Array[] = [];
      const fail = (why: string): void => {
        cancel();
        socket.destroy();
        reject(new OperatorError('isns', `${server.host}:${server.port} ${why}`));
      };
      const cancel = clock.after(ANSWER_WITHIN_MS, () => fail('does not answer'));
      socket.on('connect', () => socket.write(message));
      socket.on('error', (error) => fail(`cannot be reached: ${error.message}`));
      socket.on('close', () => fail('hung up'));
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        const status = responseStatus(bytes);
        if (status === undefined && bytes.byteLength > RESPONSE_BYTES_MAX) fail('answers without end');
        if (status === undefined) return;
        if (status !== 0) fail(`refused: status ${status}`);
        cancel();
        socket.destroy();
        resolve();
      });
    });
  }
}
