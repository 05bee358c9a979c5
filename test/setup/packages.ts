/**
 * The programs that the tests run and that npm cannot bring: they come from Debian packages. As root with
 * apt-get they are installed when missing; otherwise one line says what to install. A test is never skipped
 * because its program is absent.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface Need {
  readonly program: string;
  readonly debianPackage: string;
}

/** What runs libiscsi's suite. */
export const CONFORMANCE_PROGRAMS: readonly Need[] = [
  { program: 'iscsi-ls', debianPackage: 'libiscsi-bin' },
  { program: 'iscsi-test-cu', debianPackage: 'libiscsi-bin' },
];

/** What `npm test` runs. */
export const TEST_PROGRAMS: readonly Need[] = [
  ...CONFORMANCE_PROGRAMS,
  { program: 'qemu-img', debianPackage: 'qemu-utils' },
  { program: 'qemu-io', debianPackage: 'qemu-utils' },
  { program: 'sg_vpd', debianPackage: 'sg3-utils' },
];

/** What builds and boots the guest with Linux's own initiator. */
export const GUEST_PROGRAMS: readonly Need[] = [
  { program: 'qemu-system-x86_64', debianPackage: 'qemu-system-x86' },
  { program: 'cpio', debianPackage: 'cpio' },
  { program: 'setpriv', debianPackage: 'util-linux' },
];

/** QEMU's iSCSI driver is a plug-in without a program of its own. */
const ISCSI_PLUGIN_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu/qemu',
  '/usr/lib/aarch64-linux-gnu/qemu',
  '/usr/lib/qemu',
];

function onPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function missingPackages(needs: readonly Need[]): string[] {
  const missing = needs.filter((need) => !onPath(need.program)).map((need) => need.debianPackage);
  const wantsQemu = needs.some((need) => need.debianPackage === 'qemu-utils');
  if (wantsQemu && !ISCSI_PLUGIN_FOLDERS.some((folder) => existsSync(join(folder, 'block-iscsi.so')))) {
    missing.push('qemu-block-extra');
  }
  return [...new Set(missing)];
}

function aptGet(...words: string[]): boolean {
  const options = ['-qq', '-y', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=300'];
  const { status } = spawnSync('apt-get', [...options, ...words], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return status === 0;
}

/**
 * Makes every program of `needs` available. Returns what still stands in the way, as one line, or undefined.
 */
export function ensurePackages(needs: readonly Need[]): string | undefined {
  const missing = missingPackages(needs);
  if (missing.length === 0) return undefined;
  const wanted = missing.join(' ');
  if (process.platform !== 'linux') {
    return `the tests need Debian packages (${wanted}): on ${process.platform} use a Debian container`;
  }
  if (process.getuid?.() !== 0 || !onPath('apt-get')) {
    return `the tests need Debian packages that are not installed: run "apt-get install ${wanted}" as root`;
  }
  process.stderr.write(`installing Debian packages for the tests: ${wanted}\n`);
  const install = ['install', '--no-install-recommends', ...missing];
  // Package lists may be old or absent: then the first attempt fails, and the second one follows an update.
  const installed = aptGet(...install) || (aptGet('update') && aptGet(...install));
  const left = missingPackages(needs);
  if (installed && left.length === 0) return undefined;
  const failed = left.length > 0 ? left : missing;
  return `apt-get could not install ${failed.join(' ')}: install it by hand and try again`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const obstacle = ensurePackages(process.argv.includes('--guest') ? GUEST_PROGRAMS : TEST_PROGRAMS);
  if (obstacle !== undefined) {
    process.stderr.write(`snaplun: ${obstacle}\n`);
    process.exitCode = 1;
  }
}
