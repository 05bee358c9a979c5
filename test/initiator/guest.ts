/**
 * Boots the guest with Linux's own initiator (open-iscsi and the kernel's iscsi_tcp) and runs one script in
 * it. It is a small QEMU machine under software emulation, because many kernels, in containers and CI above
 * all, lack iscsi_tcp, and nested virtualization cannot be counted on. Use it for correctness, never for
 * speed.
 */
import assert from 'node:assert';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ended, run, startChild } from '../support/child.ts';
import { Control, type HostSide } from './control.ts';

const initiatorName = (guest: number): string => `iqn.2026-11.io.snaplun.test:guest${guest}`;

const BUILD_SCRIPT = fileURLToPath(new URL('./build-image.sh', import.meta.url));
const BUILD_TIMEOUT_MS = 600_000;
const MEMORY_MIB = 768;
const KERNEL_WORDS = [
  'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off',
  'tsc=reliable nokaslr random.trust_cpu=on cryptomgr.notests',
].join(' ');

export interface GuestJob {
  /** A scenario script on the host; it runs in the guest by its `#!` line. */
  readonly script: string;
  readonly args: readonly string[];
  /** Which of the scenario's guests it is, from 1: in its name as an initiator, and its $GUEST. */
  readonly guest: number;
  /** The target's port on the host's 127.0.0.1. */
  readonly port: number;
  /** Of the whole run, boot included. */
  readonly timeoutMs: number;
  readonly hostSide: HostSide;
  /** The guest said where it is. */
  readonly onMark: (text: string) => void;
  /** The guest's console, and what the host side did, as text. */
  readonly onConsole: (text: string) => void;
}

export interface GuestEnd {
  /** The script's exit status; undefined when the guest died or was killed before it had one. */
  readonly status: number | undefined;
  readonly timedOut: boolean;
  /** From the start of the machine to the start of the script. */
  readonly readyMs: number | undefined;
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** The folder with kernel, initramfs and /usr disk, built when it is missing or older than its sources. */
export async function buildImage(): Promise<string> {
  const folder = join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'snaplun',
    'initiator-guest',
  );
  const outcome = await run(BUILD_SCRIPT, [folder], { timeoutMs: BUILD_TIMEOUT_MS });
  assert(outcome.code === 0, `the guest could not be built:\n${outcome.stderr}`);
  return folder;
}

/** The job travels as a second archive after the initramfs. */
async function packJob(image: string, folder: string, job: GuestJob): Promise<string> {
  const jobFolder = join(folder, 'root', 'job');
  await mkdir(jobFolder, { recursive: true });
  await copyFile(job.script, join(jobFolder, 'script'));
  const words = job.args.map(quote).join(' ');
  const environment = {
    TARGET_PORT: String(job.port),
    GUEST: String(job.guest),
    INITIATOR_NAME: initiatorName(job.guest),
    JOB_ARGS: words,
  };
  const lines = Object.entries(environment).map(([name, value]) => `export ${name}=${quote(value)}\n`);
  await writeFile(join(jobFolder, 'env'), lines.join(''));
  const initrd = join(folder, 'initrd');
  const pack = 'cat "$1" >"$2"; cd "$3"; find . -mindepth 1 | cpio --quiet -o -H newc -R 0:0 >>"$2"';
  const sources = [join(image, 'initramfs.cpio'), initrd, join(folder, 'root')];
  const outcome = await run('sh', ['-ec', pack, 'pack', ...sources]);
  assert(outcome.code === 0, `packing the job: ${outcome.stderr}`);
  return initrd;
}

function machineWords(image: string, initrd: string, control: string): string[] {
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off,pku=off,svm=off'],
    ...['-M', 'pc,vmport=off', '-m', String(MEMORY_MIB), '-smp', '1'],
    ...[
      '-nodefaults',
      '-no-user-config',
      '-no-reboot',
      '-display',
      'none',
      '-monitor',
      'none',
      '-vga',
      'none',
    ],
    ...['-serial', 'stdio', '-chardev', `socket,id=control,path=${control}`, '-serial', 'chardev:control'],
    ...['-netdev', 'user,id=net0,ipv6=off', '-device', 'virtio-net-pci,netdev=net0,romfile='],
    ...['-drive', `file=${image}/usr.img,if=none,id=usr,format=raw,readonly=on,file.locking=off`],
    ...['-device', 'virtio-blk-pci,drive=usr'],
    ...['-kernel', `${image}/vmlinuz`, '-initrd', initrd, '-append', KERNEL_WORDS],
  ];
}

/** Runs the machine until it powers itself off or its time is over. */
async function runMachine(words: readonly string[], controlPath: string, job: GuestJob): Promise<GuestEnd> {
  const startedMs = performance.now();
  const note = (text: string): void => {
    job.onConsole(`--- host ${((performance.now() - startedMs) / 1000).toFixed(2)} s: ${text}\n`);
  };
  let status: number | undefined;
  let readyMs: number | undefined;
  let timedOut = false;
  const server = createServer((socket) => {
    const control = new Control(
      {
        onReady: () => {
          readyMs = performance.now() - startedMs;
          note('the guest is ready');
        },
        onMark: job.onMark,
        onExit: (value) => {
          status = value;
        },
        onAsk: async (asked) => {
          note(`the guest asks: ${asked.join(' ')}`);
          return await job.hostSide(asked);
        },
      },
      (text) => socket.write(text),
    );
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => control.receive(text));
    // The machine's end cuts the line; its exit is what counts.
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(controlPath, resolve));
  // The machine dies with us even when we are killed with SIGKILL.
  const child = startChild('setpriv', ['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...words]);
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Uint8Array) => job.onConsole(Buffer.from(chunk).toString('latin1')));
  }
  const timer = setTimeout(() => {
    timedOut = true;
    note('killing the guest: its time is over');
    child.kill('SIGKILL');
  }, job.timeoutMs);
  await ended(child).finally(() => {
    clearTimeout(timer);
    server.close();
  });
  note(status === undefined ? 'the guest left no exit status' : `the script ended with ${status}`);
  return { status, timedOut, readyMs };
}

export async function runInGuest(job: GuestJob): Promise<GuestEnd> {
  const image = await buildImage();
  const folder = await mkdtemp(join(tmpdir(), 'snaplun-guest-'));
  try {
    const initrd = await packJob(image, folder, job);
    const control = join(folder, 'control');
    return await runMachine(machineWords(image, initrd, control), control, job);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
