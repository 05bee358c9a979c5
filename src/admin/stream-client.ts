/** Requests with a stream of bytes beside the two lines: out of the server, or into it. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { OperatorError } from '../../lun/errors.ts';
import { unreachable } from './client.ts';
import { FrameReader, frameHeader, writeAll, writeFrame } from './frames.ts';
import { isAdminResponse } from './protocol.ts';

const ANSWERED = 'answered' as const;

export interface StreamAsk {
  readonly socketPath: string;
  readonly verb: string;
  readonly args: Record<string, unknown>;
}

/** What the server sends goes to `take`, which may wait; the answer comes last. */
export async function askOut(asked: StreamAsk, take: (bytes: Uint8Array) => Promise<void>): Promise<unknown> {
  const socket = await open(asked);
  const reader = new FrameReader(socket);
  try {
    for await (const bytes of reader.contents(() => brokeOff(asked))) await take(bytes);
    return resultOf(asked, await reader.rest());
  } finally {
    socket.destroy();
  }
}

/** Sends what `bytes` brings, until its end or until the server has answered. */
export async function askIn(asked: StreamAsk, bytes: AsyncIterable<Uint8Array>): Promise<unknown> {
  const socket = await open(asked);
  const answer = new FrameReader(socket).rest();
  // Where the server answered early and went, its answer says why; a write that fails then says nothing more.
  const answered = answer.then(
    () => ANSWERED,
    () => ANSWERED,
  );
  const send = (part: Uint8Array | undefined): Promise<unknown> =>
    (part === undefined ? writeAll(socket, frameHeader(0)) : writeFrame(socket, part)).catch(() => ANSWERED);
  try {
    const parts = bytes[Symbol.asyncIterator]();
    for (;;) {
      const part = await Promise.race([parts.next(), answered]);
      if (part === ANSWERED) break;
      if ((await Promise.race([send(part.value), answered])) === ANSWERED || part.done === true) break;
    }
    return resultOf(asked, await answer);
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    throw brokeOff(asked, cause);
  } finally {
    socket.destroy();
  }
}

async function open({ socketPath, verb, args }: StreamAsk): Promise<Socket> {
  const socket = connect(socketPath);
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw unreachable(socketPath, cause as NodeJS.ErrnoException);
  }
  await writeAll(socket, Buffer.from(`${JSON.stringify({ verb, arguments: args })}\n`));
  return socket;
}

function resultOf(asked: StreamAsk, line: string): unknown {
  let response: unknown;
  try {
    response = JSON.parse(line);
  } catch (cause) {
    throw brokeOff(asked, cause);
  }
  if (!isAdminResponse(response)) throw brokeOff(asked);
  if (!response.ok) throw new OperatorError(response.error.code, response.error.message);
  return response.result;
}

function brokeOff({ socketPath }: StreamAsk, cause?: unknown): OperatorError {
  return new OperatorError('no-answer', `the server behind ${socketPath} broke off its answer; see its log`, {
    cause,
  });
}
