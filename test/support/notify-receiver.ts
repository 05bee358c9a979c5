/**
 * The other end of sd_notify(3): a datagram socket of AF_UNIX as a service manager has it, made with the
 * calls of the C library, since Node.js has none. Linux alone.
 */
import assert from 'node:assert';
import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import koffi from 'koffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const POLL_MS = 10;

const library = koffi.load(null);
const socket = library.func('int socket(int domain, int type, int protocol)');
const bind = library.func('int bind(int fd, const void *address, uint32_t length)');
const receive = library.func('int64_t recv(int fd, _Out_ uint8_t *into, size_t length, int flags)');
const close = library.func('int close(int fd)');

export class NotifyReceiver {
  /** What stands in $NOTIFY_SOCKET. */
  readonly name: string;
  readonly #descriptor: number;

  /** `name` is a path, or an abstract name that begins with "@". */
  constructor(name: string) {
    this.name = name;
    this.#descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert(this.#descriptor >= 0, 'no socket');
    // An abstract name has a zero byte first and none last; a path has one last.
    const path = name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`;
    const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), Buffer.from(path, 'latin1')]);
    const bound: number = bind(this.#descriptor, address, address.byteLength);
    assert(bound === 0, `bind to ${name}: errno ${koffi.errno()}`);
  }

  /** The next datagram, once there is one. */
  async next(): Promise<string> {
    const into = Buffer.alloc(4_096);
    for (;;) {
      const bytes = Number(receive(this.#descriptor, into, into.byteLength, MSG_DONTWAIT));
      if (bytes >= 0) return into.toString('utf8', 0, bytes);
      await pause(POLL_MS);
    }
  }

  close(): void {
    close(this.#descriptor);
    if (!this.name.startsWith('@')) rmSync(this.name, { force: true });
  }
}
