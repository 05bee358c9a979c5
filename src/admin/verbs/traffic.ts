/** What has passed through each LUN since it was mapped: two of these documents tell what passes now. */
import { TRAFFIC_KINDS } from '../../../protocol/scsi/traffic.ts';
import { type Verb, verb } from '../verb.ts';

export interface LunTraffic {
  readonly name: string;
  readonly reads: number;
  readonly writes: number;
  /** Commands of all other kinds. */
  readonly others: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Time from the arrival of commands to their answers, all added up, in microseconds. */
  readonly readUs: number;
  readonly writeUs: number;
  /** Commands that are running or wait, now. */
  readonly queue: number;
}

export interface TrafficDocument {
  /** By the server's clock that never runs back, in milliseconds. */
  readonly atMs: number;
  readonly luns: readonly LunTraffic[];
}

const READ = TRAFFIC_KINDS.indexOf('read');
const WRITE = TRAFFIC_KINDS.indexOf('write');

const traffic = verb({
  name: 'traffic',
  changes: false,
  fields: {},
  run: (context): TrafficDocument => ({
    atMs: context.nowMs(),
    luns: [...context.servers.list()].map(
      ({ unit, traffic: { commands, bytes, elapsedUs }, queuedCommands }) => {
        const [reads, writes] = [commands[READ] as number, commands[WRITE] as number];
        return {
          name: unit.identity.name,
          reads,
          writes,
          others: commands.reduce((sum, count) => sum + count, 0) - reads - writes,
          readBytes: bytes[READ] as number,
          writtenBytes: bytes[WRITE] as number,
          readUs: elapsedUs[READ] as number,
          writeUs: elapsedUs[WRITE] as number,
          queue: queuedCommands,
        };
      },
    ),
  }),
});

export const TRAFFIC_VERBS: readonly Verb[] = [traffic];
