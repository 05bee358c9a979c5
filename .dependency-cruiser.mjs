// The folders and who may import whom: ARCHITECTURE.md, "Folders". Each rule carries its reason.
const npm = (names) => `(^|/)node_modules/(${names})(/|$)`;

export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'A circle of imports is one module that pretends to be several.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'codec-stands-alone',
      comment: 'node-iscsi-pdu is vendored: it must build and run with nothing else, not even Node.',
      severity: 'error',
      from: { path: '^protocol/node-iscsi-pdu/src' },
      to: { pathNot: '^protocol/node-iscsi-pdu/src' },
    },
    {
      name: 'iscsi-is-a-pure-core',
      comment:
        'The iSCSI core takes bytes and time as arguments; sockets, SCSI and stores are joined to it in src/.',
      severity: 'error',
      from: { path: '^protocol/iscsi' },
      to: {
        pathNot: ['^protocol/iscsi', '^protocol/node-iscsi-pdu/src', '^(node:)?assert', '^(node:)?crypto$'],
      },
    },
    {
      name: 'scsi-knows-units-only',
      comment:
        'SCSI speaks to logical units; what stores them and what carries the commands is not its business.',
      severity: 'error',
      from: { path: '^protocol/scsi' },
      to: {
        pathNot: ['^protocol/scsi', '^lun', '^protocol/node-iscsi-pdu/src/(fields|lun)', '^(node:)?assert'],
      },
    },
    {
      name: 'lun-is-the-common-ground',
      comment: 'A unit reports facts; scsi words them as sense, snapshot stores them.',
      severity: 'error',
      from: { path: '^lun' },
      to: { pathNot: ['^lun', '^(node:)?assert'] },
    },
    {
      name: 'engine-knows-no-files',
      comment: 'The medium is the narrow waist: everything above it must run on a medium without files.',
      severity: 'error',
      from: { path: '^snapshot', pathNot: '^snapshot/medium' },
      to: { pathNot: ['^snapshot', '^lun', '^(node:)?assert'] },
    },
    {
      name: 'engine-takes-the-waist-only',
      comment: 'A concrete medium is chosen in src/, never by the engine.',
      severity: 'error',
      from: { path: '^snapshot', pathNot: '^snapshot/medium' },
      to: { path: '^snapshot/medium', pathNot: '^snapshot/medium/medium\\.ts$' },
    },
    {
      name: 'check-shares-nothing-with-the-engine',
      comment:
        'The check is an independent reader of the format: with the code that wrote it, it would share its faults.',
      severity: 'error',
      from: { path: '^snapshot/check(-|\\.ts$)' },
      to: {
        pathNot: ['^snapshot/check(-|\\.ts$)', '^snapshot/checksum\\.ts$', '^snapshot/medium/medium\\.ts$'],
      },
    },
    {
      name: 'medium-owns-the-files',
      comment: 'lmdb, koffi and node:fs live below the waist and nowhere else in the engine.',
      severity: 'error',
      from: { path: '^snapshot/medium' },
      to: {
        pathNot: [
          '^snapshot/medium',
          '^lun',
          '^(node:)?(assert|fs|path|os|crypto|timers)(/|$)',
          npm('lmdb|koffi'),
        ],
      },
    },
    {
      name: 'src-is-the-top',
      comment: 'src composes; nothing below may lean on it.',
      severity: 'error',
      from: { pathNot: '^(src|test)' },
      to: { path: '^src' },
    },
    {
      name: 'winston-yargs-and-yaml-in-src-only',
      comment: 'Logging and argument parsing belong to the process, not to the library parts.',
      severity: 'error',
      from: { pathNot: '^src' },
      to: { path: npm('winston|yargs|yaml') },
    },
    {
      name: 'tests-are-leaves',
      comment: 'Nothing but tests may import test support.',
      severity: 'error',
      from: { pathNot: '^test' },
      to: { path: '^test' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      conditionNames: ['snaplun-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
