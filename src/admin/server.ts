/** The admin socket of a running server: mode 0600, and it outlives no server. */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { OperatorError, StoreError } from '../../lun/errors.ts';
import { type AdminResponse, isAdminRequest, REQUEST_BYTES_MAX } from './protocol.ts';
import type { AdminContext, Verb } from './verb.ts';

export class AdminServer {
  readonly #path: string;
  readonly #context: AdminContext;
  readonly #verbs: ReadonlyMap<string, Verb>;
  readonly #server: Server;
  /** Changes run one after another: each sees the state the one before has left. */
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(path: string, context: AdminContext, verbs: readonly Verb[]) {
    this.#path = path;
    this.#context = context;
    this.#verbs = new Map(verbs.map((row) => [row.name, row]));
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
  }

  /**
   * Listens on `path`. The caller holds the pool's lock, so a socket file that nobody listens on is what
   * a dead server left behind, and is removed.
   */
  static async open(path: string, context: AdminContext, verbs: readonly Verb[]): Promise<AdminServer> {
    const admin = new AdminServer(path, context, verbs);
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
    let text = '';
    let answered = false;
    const answer = (response: AdminResponse): void => {
      answered = true;
      socket.end(`${JSON.stringify(response)}\n`);
    };
    socket.setEncoding('utf8');
    socket.on('error', (error) =>
      this.#context.log.debug('an admin client broke off', { why: error.message }),
    );
    socket.on('end', () => {
      if (!answered) socket.end();
    });
    socket.on('data', (chunk: string) => {
      if (answered) return;
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) {
        answered = true;
        void this.#answer(text.slice(0, end)).then(answer);
      } else if (text.length > REQUEST_BYTES_MAX) {
        answer(failure('usage', `an admin request is one line of at most ${REQUEST_BYTES_MAX} bytes`));
      }
    });
  }

  async #answer(line: string): Promise<AdminResponse> {
    let request: unknown;
    try {
      request = JSON.parse(line);
    } catch (error) {
      return failure('usage', `an admin request is one line of JSON: ${(error as SyntaxError).message}`);
    }
    if (!isAdminRequest(request)) return failure('usage', 'an admin request has "verb" and "arguments"');
    const row = this.#verbs.get(request.verb);
    if (row === undefined) {
      return failure(
        'usage',
        `this server knows no "${request.verb}"; is the program newer than the server?`,
      );
    }
    const { arguments: args } = request;
    try {
      const result = row.changes
        ? await this.#afterOthers(() => row.run(this.#context, args))
        : await row.run(this.#context, args);
      return { ok: true, result: result ?? null };
    } catch (error) {
      return this.#failed(row.name, error);
    }
  }

  #afterOthers<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#lastChange.then(run, run);
    this.#lastChange = mine.catch((error: unknown) => error);
    return mine;
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

function failure(code: string, message: string): AdminResponse {
  return { ok: false, error: { code, message } };
}
