/** Asks a running server one thing over its admin socket. */
import { connect } from 'node:net';
import { OperatorError } from '../../lun/errors.ts';
import { isAdminResponse } from './protocol.ts';

export async function ask(socketPath: string, verb: string, args: Record<string, unknown>): Promise<unknown> {
  const line = await exchange(socketPath, `${JSON.stringify({ verb, arguments: args })}\n`);
  let response: unknown;
  try {
    response = JSON.parse(line);
  } catch (cause) {
    throw new OperatorError(
      'no-answer',
      `the server behind ${socketPath} broke off its answer; see its log`,
      { cause },
    );
  }
  if (!isAdminResponse(response)) {
    throw new OperatorError('no-answer', `what listens on ${socketPath} is no snaplun server`);
  }
  if (!response.ok) throw new OperatorError(response.error.code, response.error.message);
  return response.result;
}

function exchange(socketPath: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(request));
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', (cause: NodeJS.ErrnoException) => reject(unreachable(socketPath, cause)));
  });
}

export function unreachable(socketPath: string, cause: NodeJS.ErrnoException): OperatorError {
  const why =
    cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
      ? 'no server runs there; start one with `snaplun serve`, or name its socket with --admin'
      : cause.code === 'EACCES'
        ? 'you may not use it; run as the user the server runs as'
        : (cause.code ?? cause.message);
  return new OperatorError('unreachable', `cannot reach ${socketPath}: ${why}`, { cause });
}
