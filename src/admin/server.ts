/** The admin socket of a running server: it outlives no server. Who may connect: socket-directory.ts. */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import { FrameReader, frameHeader, writeFrame } from './frames.ts';
import { type AdminRequest, type AdminResponse, isAdminRequest, REQUEST_BYTES_MAX } from './protocol.ts';
import { secureSocketDirectory } from './socket-directory.ts';
import type { AdminContext, StreamVerb, Verb } from './verb.ts';

export interface AdminVerbs {
  readonly plain: readonly Verb[];
  readonly streams: readonly StreamVerb[];
}

export class AdminServer {
  readonly #path: string;
  readonly #context: AdminContext;
  readonly #verbs: ReadonlyMap<string, Verb>;
  readonly #streams: ReadonlyMap<string, StreamVerb>;
  readonly #server: Server;

  private constructor(path: string, context: AdminContext, verbs: AdminVerbs) {
    this.#path = path;
    this.#context = context;
    this.#verbs = new Map(verbs.plain.map((row) => [row.name, row]));
    this.#streams = new Map(verbs.streams.map((row) => [row.name, row]));
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  /**
   * Listens on `path`. The caller holds the pool's lock, so a socket file that nobody listens on is what
   * a dead server left behind, and is removed.
   */
  static async open(path: string, context: AdminContext, verbs: AdminVerbs): Promise<AdminServer> {
    const admin = new AdminServer(path, context, verbs);
    secureSocketDirectory(path, process.getuid?.());
    await removeStale(path);
    // Between bind and chmod the umask alone protects the socket.
    const before = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        admin.#server.once('error', (cause: NodeJS.ErrnoException) =>
          reject(
            new OperatorError(
              'admin',
              `cannot open the admin socket ${path}: ${cause.code ?? cause.message}`,
              { cause },
            ),
          ),
        );
        admin.#server.listen(path, resolve);
      });
    } finally {
      process.umask(before);
    }
    chmodSync(path, 0o600);
    return admin;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#path, { force: true });
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    const refuse = (response: AdminResponse): void => void socket.end(lineOf(response));
    socket.on('error', (error) =>
      this.#context.log.debug('an admin client broke off', { why: error.message }),
    );
    const onEnd = (): void => void socket.end();
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf(0x0a);
      if (end < 0 && received.byteLength <= REQUEST_BYTES_MAX) return;
      socket.pause();
      socket.off('data', onData);
      socket.off('end', onEnd);
      if (end >= 0) void this.#answer(socket, received.toString('utf8', 0, end), received.subarray(end + 1));
      else refuse(failure('usage', `an admin request is one line of at most ${REQUEST_BYTES_MAX} bytes`));
    };
    socket.on('end', onEnd);
    socket.on('data', onData);
  }

  /** Never rejects. `rest` is what the client sent after its line. */
  async #answer(socket: Socket, line: string, rest: Buffer): Promise<void> {
    const request = parsed(line);
    const stream = 'verb' in request ? this.#streams.get(request.verb) : undefined;
    if ('verb' in request && stream !== undefined) {
      await this.#stream(socket, { row: stream, args: request.arguments, rest });
      return;
    }
    socket.resume();
    socket.end(lineOf('verb' in request ? await this.#run(request) : request));
  }

  async #run({ verb: name, arguments: args }: AdminRequest): Promise<AdminResponse> {
    const row = this.#verbs.get(name);
    if (row === undefined) {
      return failure('usage', `this server knows no "${name}"; is the program newer than the server?`);
    }
    try {
      const result = row.changes
        ? await this.#context.changes.run(() => row.run(this.#context, args))
        : await row.run(this.#context, args);
      return { ok: true, result: result ?? null };
    } catch (error) {
      return this.#failed(row.name, error);
    }
  }

  /** Out: frames, then the answer. In: the answer, at the end of the frames or before. */
  async #stream(
    socket: Socket,
    { row, args, rest }: { row: StreamVerb; args: AdminRequest['arguments']; rest: Buffer },
  ): Promise<void> {
    const reader = new FrameReader(
      socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>,
      rest,
    );
    let response: AdminResponse;
    try {
      const result = await row.run(this.#context, args, {
        write: (bytes) =>
          writeFrame(socket, bytes).catch((cause: unknown) => {
            throw clientGone(cause);
          }),
        read: (brokeOff) => reader.contents(brokeOff),
      });
      response = { ok: true, result: result ?? null };
    } catch (error) {
      response = this.#failed(row.name, error);
    }
    if (row.direction === 'out') socket.write(frameHeader(0));
    socket.end(lineOf(response));
    socket.resume();
  }

  #failed(name: string, error: unknown): AdminResponse {
    if (error instanceof OperatorError) return failure(error.code, error.message);
    if (error instanceof StoreError) {
      this.#context.log.error('an admin request failed in the pool', { verb: name, why: error.message });
      return failure(error.code.toLowerCase().replace('_', '-'), error.message);
    }
    const stack = error instanceof Error ? error.stack : String(error);
    this.#context.log.error('an admin request failed inside', { verb: name, stack });
    return failure('internal', `${name} failed inside the server; its log has the details`);
  }
}

/** Removes the socket file of a server that is gone; anything else at `path` is refused. */
async function removeStale(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) {
    throw new OperatorError('admin', `cannot open the admin socket ${path}: there is a file of that name`);
  }
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answered) {
    throw new OperatorError('in-use', `cannot open the admin socket ${path}: another server listens on it`);
  }
  rmSync(path, { force: true });
}

function parsed(line: string): AdminRequest | AdminResponse {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch (error) {
    return failure('usage', `an admin request is one line of JSON: ${(error as SyntaxError).message}`);
  }
  return isAdminRequest(request) ? request : failure('usage', 'an admin request has "verb" and "arguments"');
}

function lineOf(response: AdminResponse): string {
  return `${JSON.stringify(response)}\n`;
}

function clientGone(cause: unknown): OperatorError {
  return new OperatorError('client-gone', 'the admin client went away', { cause });
}

function failure(code: string, message: string): AdminResponse {
  return { ok: false, error: { code, message } };
}
