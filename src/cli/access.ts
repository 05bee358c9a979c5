/** `snaplun target …`, `initiator …`, `chap …`, `session …`. */
import type { Argv } from 'yargs';
import { type GlobalOptions, runVerb } from './command.ts';
import { forceOption } from './lun.ts';
import { readSecret, secretPath } from './secret.ts';
import { table } from './table.ts';

interface TargetRow {
  readonly name: string;
  readonly default: boolean;
  readonly luns: number;
  readonly sessions: number;
  readonly chap: string;
  readonly allowedInitiators: readonly string[] | null;
}

interface SessionRow {
  readonly initiator: string;
  readonly target: string | null;
  readonly portal: string;
  readonly peer: string;
  readonly tsih: number;
  readonly kind: string;
}

interface AccessRow {
  readonly target: string;
  readonly allowedInitiators: readonly string[] | null;
  readonly lunMasks: Readonly<Record<string, readonly number[]>>;
}

const withLuns =
  ({ lunMasks }: AccessRow) =>
  (name: string): string =>
    lunMasks[name] === undefined ? name : `${name} (LUN ${lunMasks[name].join(' ')})`;

const TARGET_OPTION = { type: 'string', describe: 'target (default: the default target)' } as const;

export function targetCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('target', 'targets', (target) =>
    targetRedirect(targetDelete(targetList(targetCreate(target))))
      .example('$0 target list', 'with LUNs, sessions and who may log in')
      .demandCommand(1, 'target what? See `snaplun target --help`'),
  );
}

function targetCreate(target: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return target.command(
    'create <name>',
    'create a target',
    (command) =>
      command
        .positional('name', { type: 'string', demandOption: true, describe: 'iSCSI name' })
        .option('alias', { type: 'string', describe: 'a name for people' })
        .example('$0 target create iqn.2026-11.com.example:backup', 'LUNs are mapped at it with --target'),
    (argv) =>
      runVerb<TargetRow>(
        argv,
        'target.create',
        { name: argv.name, alias: argv.alias },
        (row) => `created ${row.name}`,
      ),
  );
}

function targetList(target: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return target.command(
    'list',
    'list the targets',
    (command) => command.example('$0 target list', 'with LUNs, sessions and who may log in'),
    (argv) =>
      runVerb<readonly TargetRow[]>(argv, 'target.list', {}, (rows) =>
        table(
          ['TARGET', 'LUNS', 'SESSIONS', 'CHAP', 'INITIATORS'],
          rows.map((row) => [
            row.name,
            row.luns,
            row.sessions,
            row.chap,
            row.allowedInitiators?.join(',') ?? 'all',
          ]),
        ),
      ),
  );
}

function targetDelete(target: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return target.command(
    'delete <name>',
    'delete a target that shows no LUNs',
    (command) =>
      forceOption(
        command.positional('name', { type: 'string', demandOption: true, describe: 'iSCSI name' }),
      ).example('$0 target delete iqn.2026-11.com.example:backup', 'initiators are told that it was removed'),
    (argv) =>
      runVerb(argv, 'target.delete', { name: argv.name, force: argv.force }, () => `deleted ${argv.name}`),
  );
}

function targetRedirect(target: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return target.command(
    'redirect <name> [address]',
    'send logins to another address; without one, serve them here again',
    (command) =>
      command
        .positional('name', { type: 'string', demandOption: true, describe: 'iSCSI name' })
        .positional('address', { type: 'string', describe: 'HOST:PORT, IPv6 addresses in brackets' })
        .option('permanent', { type: 'boolean', describe: 'initiators may remember it' })
        .example('$0 target redirect iqn.2026-11.com.example:backup 192.0.2.20:3260', 'new logins go there'),
    (argv) =>
      runVerb(
        argv,
        'target.redirect',
        { name: argv.name, address: argv.address, permanent: argv.permanent },
        () =>
          argv.address === undefined ? `${argv.name} is served here` : `${argv.name} is at ${argv.address}`,
      ),
  );
}

const INITIATOR_NAME = {
  type: 'string',
  demandOption: true,
  describe: 'iSCSI name of the initiator',
} as const;

function initiatorAllow(initiator: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return initiator.command(
    'allow <initiator>',
    'let an initiator use a target; from the first one on, all others may not',
    (command) =>
      command
        .positional('initiator', INITIATOR_NAME)
        .option('target', TARGET_OPTION)
        .option('lun', {
          type: 'number',
          array: true,
          describe: 'show it these LUN numbers and no others; repeatable',
        })
        .option('all-luns', { type: 'boolean', describe: 'show it every LUN again' })
        .example('$0 initiator allow iqn.1993-08.org.debian:01:abc', 'only listed initiators may log in')
        .example('$0 initiator allow iqn.1993-08.org.debian:01:abc --lun 0 --lun 3', 'and see two LUNs'),
    (argv) =>
      runVerb(
        argv,
        'initiator.allow',
        {
          ...{ initiator: argv.initiator, target: argv.target },
          ...{ luns: argv.lun, allLuns: argv['all-luns'] },
        },
        () => `allowed ${argv.initiator}${argv.lun === undefined ? '' : `: LUN ${argv.lun.join(', ')}`}`,
      ),
  );
}

export function initiatorCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('initiator', 'who may log in', (initiator) =>
    initiatorAllow(initiator)
      .command(
        'deny <initiator>',
        'take an initiator off the list and end its sessions',
        (command) =>
          command
            .positional('initiator', INITIATOR_NAME)
            .option('target', TARGET_OPTION)
            .example('$0 initiator deny iqn.1993-08.org.debian:01:abc', 'it is logged out at once'),
        (argv) =>
          runVerb(
            argv,
            'initiator.deny',
            { initiator: argv.initiator, target: argv.target },
            () => `denied ${argv.initiator}`,
          ),
      )
      .command(
        'list',
        'show who may log in',
        (command) => command.option('target', TARGET_OPTION).example('$0 initiator list', 'for every target'),
        (argv) =>
          runVerb<readonly AccessRow[]>(argv, 'initiator.list', { target: argv.target }, (rows) =>
            table(
              ['TARGET', 'INITIATORS'],
              rows.map((row) => [row.target, row.allowedInitiators?.map(withLuns(row)).join(',') ?? 'all']),
            ),
          ),
      )
      .example('$0 initiator allow iqn.1993-08.org.debian:01:abc', 'only listed initiators may log in')
      .demandCommand(1, 'initiator what? See `snaplun initiator --help`'),
  );
}

export function chapCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('chap', 'CHAP authentication of a target', (chap) =>
    chap
      .command(
        'set',
        'want CHAP at logins; secrets of 12 bytes or more come from files, or "-" for standard input',
        (command) =>
          command
            .option('user', { type: 'string', demandOption: true, describe: 'CHAP name of the initiator' })
            .option('secret-file', {
              type: 'string',
              nargs: 1,
              demandOption: true,
              describe: 'file with its secret',
            })
            .option('mutual-user', { type: 'string', describe: 'CHAP name of the target, for mutual CHAP' })
            .option('mutual-secret-file', {
              type: 'string',
              nargs: 1,
              describe: 'file with the secret of the target',
            })
            .option('target', TARGET_OPTION)
            .example('$0 chap set --user alice --secret-file /etc/snaplun/alice', 'one-way CHAP'),
        (argv) => {
          const mutual = argv['mutual-secret-file'];
          return runVerb(
            argv,
            'chap.set',
            {
              target: argv.target,
              user: argv.user,
              secret: readSecret(argv['secret-file']),
              secretFile: secretPath(argv['secret-file']),
              mutualUser: argv['mutual-user'],
              mutualSecret: mutual === undefined ? undefined : readSecret(mutual),
              mutualSecretFile: mutual === undefined ? undefined : secretPath(mutual),
            },
            () => `CHAP is on for ${argv.user}${mutual === undefined ? '' : ', mutual'}`,
          );
        },
      )
      .command(
        'clear',
        'let initiators log in without CHAP',
        (command) =>
          command
            .option('target', TARGET_OPTION)
            .example('$0 chap clear', 'the default target wants no secret'),
        (argv) => runVerb(argv, 'chap.clear', { target: argv.target }, () => 'CHAP is off'),
      )
      .example('$0 chap set --user alice --secret-file /etc/snaplun/alice', 'one-way CHAP')
      .demandCommand(1, 'chap what? See `snaplun chap --help`'),
  );
}

export function sessionCommands(root: Argv<GlobalOptions>): Argv<GlobalOptions> {
  return root.command('session', 'who is logged in', (session) =>
    session
      .command(
        'list',
        'list the sessions',
        (command) => command.example('$0 session list --json', 'with what was negotiated'),
        (argv) =>
          runVerb<readonly SessionRow[]>(argv, 'session.list', {}, (rows) =>
            rows.length === 0
              ? 'nobody is logged in'
              : table(
                  ['TSIH', 'INITIATOR', 'TARGET', 'PEER', 'PORTAL'],
                  rows.map((row) => [
                    row.tsih,
                    row.initiator,
                    row.target ?? `(${row.kind})`,
                    row.peer,
                    row.portal,
                  ]),
                ),
          ),
      )
      .command(
        'disconnect <tsih>',
        'end a session; the initiator may log in again',
        (command) =>
          command
            .positional('tsih', {
              type: 'number',
              demandOption: true,
              describe: 'its number in `session list`',
            })
            .example('$0 session disconnect 3', 'cuts its connection'),
        (argv) =>
          runVerb(argv, 'session.disconnect', { tsih: argv.tsih }, () => `disconnected session ${argv.tsih}`),
      )
      .example('$0 session list --json', 'with what was negotiated')
      .demandCommand(1, 'session what? See `snaplun session --help`'),
  );
}
