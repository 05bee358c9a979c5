/** The metrics of LUNs and sessions: what passed through them. */
import type { DeviceServer } from '../../protocol/scsi/device-server.ts';
import {
  ERROR_CLASSES,
  LATENCY_BOUNDS_US,
  TRAFFIC_KINDS,
  type Traffic,
} from '../../protocol/scsi/traffic.ts';
import type { OpenSession } from '../shell/hub.ts';
import type { Family, Labels, Sample } from './exposition.ts';

const US_PER_SECOND = 1e6;
const MS_PER_SECOND = 1000;
const BLOCK_KINDS = ['read', 'write', 'verify'] as const;

interface Counted {
  readonly labels: Labels;
  readonly traffic: Traffic;
}

export function* lunFamilies(servers: readonly DeviceServer[]): Generator<Family> {
  const luns = servers.map(({ unit, traffic }) => ({ labels: { lun: unit.identity.name }, traffic }));
  yield {
    name: 'snaplun_lun_size_bytes',
    type: 'gauge',
    help: 'Size of the LUN as initiators see it, in bytes.',
    samples: servers.map(({ unit }) => ({
      labels: { lun: unit.identity.name },
      value: unit.device.geometry.blockBytes * unit.device.geometry.capacityBlocks,
    })),
  };
  yield commandsOf('snaplun_lun', 'the LUN', luns);
  yield bytesOf('snaplun_lun', 'the LUN', luns);
  yield errorsOf('snaplun_lun', 'the LUN', luns);
  yield {
    name: 'snaplun_lun_command_duration_seconds',
    type: 'histogram',
    help: 'Time from the arrival of all of a command to its answer, in seconds.',
    samples: luns.flatMap(({ labels, traffic }) =>
      TRAFFIC_KINDS.flatMap((command, kind) => histogram({ ...labels, command }, traffic, kind)),
    ),
  };
  yield {
    name: 'snaplun_lun_queue_commands',
    type: 'gauge',
    help: 'Commands of the LUN that are running or wait for their order.',
    samples: servers.map(({ unit, queuedCommands }) => ({
      labels: { lun: unit.identity.name },
      value: queuedCommands,
    })),
  };
  yield {
    name: 'snaplun_lun_throttled_commands_total',
    type: 'counter',
    help: 'Commands that the limits of the LUN kept waiting.',
    samples: servers.map(({ unit, pace }) => ({
      labels: { lun: unit.identity.name },
      value: pace.heldCommands,
    })),
  };
  yield {
    name: 'snaplun_lun_throttled_seconds_total',
    type: 'counter',
    help: 'Time that the limits of the LUN kept commands waiting, all added up, in seconds.',
    samples: servers.map(({ unit, pace }) => ({
      labels: { lun: unit.identity.name },
      value: pace.heldMs / MS_PER_SECOND,
    })),
  };
}

export function* sessionFamilies(sessions: readonly OpenSession[]): Generator<Family> {
  const counted = sessions.flatMap(({ facts, connection }): Counted[] => {
    const { initiatorName: initiator, targetName: target, tsih } = facts;
    const traffic = connection.nexus?.traffic;
    return traffic === undefined ? [] : [{ labels: { initiator, target: target ?? '', tsih }, traffic }];
  });
  yield {
    name: 'snaplun_sessions',
    type: 'gauge',
    help: 'Sessions that are open, by type.',
    samples: (['normal', 'discovery'] as const).map((type) => ({
      labels: { type },
      value: sessions.filter(({ facts }) => facts.kind === type).length,
    })),
  };
  yield commandsOf('snaplun_session', 'the session', counted);
  yield bytesOf('snaplun_session', 'the session', counted);
  yield errorsOf('snaplun_session', 'the session', counted);
}

function commandsOf(prefix: string, whose: string, all: readonly Counted[]): Family {
  return {
    name: `${prefix}_commands_total`,
    type: 'counter',
    help: `SCSI commands of ${whose} that ended, well or not, by kind.`,
    samples: all.flatMap(({ labels, traffic }) =>
      TRAFFIC_KINDS.map((command, kind) => ({
        labels: { ...labels, command },
        value: traffic.commands[kind] as number,
      })),
    ),
  };
}

function bytesOf(prefix: string, whose: string, all: readonly Counted[]): Family {
  return {
    name: `${prefix}_transferred_bytes_total`,
    type: 'counter',
    help: `Bytes that commands of ${whose} read, wrote or verified.`,
    samples: all.flatMap(({ labels, traffic }) =>
      BLOCK_KINDS.map((command) => ({
        labels: { ...labels, command },
        value: traffic.bytes[TRAFFIC_KINDS.indexOf(command)] as number,
      })),
    ),
  };
}

/** Of the many classes there are, those that occurred. */
function errorsOf(prefix: string, whose: string, all: readonly Counted[]): Family {
  return {
    name: `${prefix}_errors_total`,
    type: 'counter',
    help: `Commands of ${whose} that did not end well, by sense key or status.`,
    samples: all.flatMap(({ labels, traffic }) =>
      ERROR_CLASSES.flatMap((error, at): Sample[] => {
        const value = traffic.errors[at] as number;
        return value === 0 ? [] : [{ labels: { ...labels, class: error }, value }];
      }),
    ),
  };
}

function histogram(labels: Labels, traffic: Traffic, kind: number): Sample[] {
  const count = traffic.commands[kind] as number;
  return [
    ...LATENCY_BOUNDS_US.map((us, bound) => ({
      suffix: '_bucket',
      labels: { ...labels, le: us / US_PER_SECOND },
      value: traffic.within(kind, bound),
    })),
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: (traffic.elapsedUs[kind] as number) / US_PER_SECOND },
    { suffix: '_count', labels, value: count },
  ];
}
