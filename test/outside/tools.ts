/**
 * Runs the command-line tools of libiscsi and QEMU, and fails with all they said when they did not succeed.
 */
import assert from 'node:assert';
import { run } from '../support/child.ts';

/** What the program printed; it must have ended with `status`. */
export async function output(program: string, args: readonly string[], status = 0): Promise<string> {
  const outcome = await run(program, args);
  const said = `${outcome.stdout}${outcome.stderr}`;
  const how = outcome.timedOut ? 'overstayed its time' : `exit ${outcome.code ?? outcome.signal}`;
  assert(outcome.code === status, `${program} ${args.join(' ')}: ${how}\n${said}`);
  return said;
}

/**
 * Runs qemu-io commands on one LUN. It reads back with `read -P BYTE`, says so when the pattern is not there,
 * and then exits with 1.
 */
export function qemuIo(url: string, ...commands: string[]): Promise<string> {
  return output('qemu-io', ['-f', 'raw', ...commands.flatMap((command) => ['-c', command]), url]);
}
