/**
 * The datagram socket of a service manager (sd_notify(3), $NOTIFY_SOCKET). Node.js has no datagrams of
 * AF_UNIX, so three calls of the C library do it here; a child process could, and the manager would have
 * to take notices from any child then. Linux alone: no other system has a manager that speaks so.
 */
import koffi from 'koffi';
import type { SendNotice } from './notices.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** Rather lose a notice than stand still before a manager that does not read. */
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** sun_path of struct sockaddr_un, unix(7), bytes. */
const PATH_BYTES_MAX = 108;
const FAMILY_BYTES = 2;

/**
 * struct sockaddr_un of a path, or of an abstract name where it begins with "@"; undefined: it is neither.
 */
function socketAddress(name: string): Uint8Array | undefined {
  const path = Buffer.from(name, 'utf8');
  if ((name[0] !== '/' && name[0] !== '@') || path.byteLength < 2) return undefined;
  const isAbstract = name[0] === '@';
  // A path ends with a zero byte; an abstract name begins with one, and ends where the address does.
  const bytes = path.byteLength + (isAbstract ? 0 : 1);
  if (bytes > PATH_BYTES_MAX) return undefined;
  const address = Buffer.alloc(FAMILY_BYTES + bytes);
  new Uint16Array(address.buffer, address.byteOffset, 1)[0] = AF_UNIX;
  path.copy(address, FAMILY_BYTES);
  if (isAbstract) address[FAMILY_BYTES] = 0;
  return address;
}

/** Undefined where `name` (of $NOTIFY_SOCKET) names no socket, or the system has none of that kind. */
export function notifySocket(
  name: string | undefined,
  onLost: (why: string) => void,
): SendNotice | undefined {
  const address = name === undefined || process.platform !== 'linux' ? undefined : socketAddress(name);
  if (address === undefined) return undefined;
  const library = koffi.load(null);
  const socket = library.func('socket', 'int', ['int', 'int', 'int']);
  const sendTo = library.func('sendto', 'int64_t', [
    ...['int', 'const void *', 'size_t', 'int', 'const void *', 'uint32_t'],
  ]);
  const descriptor: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    onLost(`socket: errno ${koffi.errno()}`);
    return undefined;
  }
  return (text) => {
    const datagram = Buffer.from(text, 'utf8');
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = sendTo(descriptor, datagram, datagram.byteLength, flags, address, address.byteLength);
    if (Number(sent) !== datagram.byteLength) onLost(`sendto: errno ${koffi.errno()}`);
  };
}
