/**
 * A small iSNS server for tests, written from RFC 4171 §5 and §6 and sharing no code with the client: it
 * takes messages apart byte by byte, keeps what was registered, and answers with the status it is told
 * to.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface ReceivedMessage {
  readonly version: number;
  readonly function: number;
  readonly flags: number;
  readonly transaction: number;
  /** Tag and value, in order. */
  readonly attributes: readonly (readonly [tag: number, value: string])[];
}

/** Tags whose values are text that ends with a zero byte. */
const TEXTS = new Set([1, 32, 34, 48]);

export class IsnsServer {
  readonly messages: ReceivedMessage[] = [];
  /** 0 is success; 10 is "registration not authorized" (RFC 4171 §5.4). */
  status = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<IsnsServer> {
    const server = createServer();
    const isns = new IsnsServer(server);
    server.on('connection', (socket) => isns.#serve(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return isns;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  close(): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 12 && bytes.length >= 12 + bytes.readUInt16BE(4)) {
        const end = 12 + bytes.readUInt16BE(4);
        const message = parse(bytes.subarray(0, end));
        bytes = bytes.subarray(end);
        this.messages.push(message);
        socket.write(this.#answer(message));
      }
    });
  }

  #answer(message: ReceivedMessage): Buffer {
    const answer = Buffer.alloc(16);
    answer.writeUInt16BE(1, 0);
    answer.writeUInt16BE(message.function | 0x8000, 2);
    answer.writeUInt16BE(4, 4);
    answer.writeUInt16BE(0x4c00, 6);
    answer.writeUInt16BE(message.transaction, 8);
    answer.writeUInt32BE(this.status, 12);
    return answer;
  }
}

function parse(bytes: Buffer): ReceivedMessage {
  const attributes: [number, string][] = [];
  for (let at = 12; at < bytes.length; ) {
    const tag = bytes.readUInt32BE(at);
    const length = bytes.readUInt32BE(at + 4);
    const value = bytes.subarray(at + 8, at + 8 + length);
    attributes.push([
      tag,
      TEXTS.has(tag) ? value.subarray(0, value.indexOf(0)).toString('utf8') : value.toString('hex'),
    ]);
    at += 8 + length;
  }
  return {
    version: bytes.readUInt16BE(0),
    function: bytes.readUInt16BE(2),
    flags: bytes.readUInt16BE(6),
    transaction: bytes.readUInt16BE(8),
    attributes,
  };
}
