// CHAP against values computed here from RFC 1994 §4.1 (hash of identifier, secret, challenge), in both
// directions, both encodings, all four algorithms; and every way it must be refused.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ChapAuthenticator, type ChapStep } from '../../../../protocol/iscsi/chap.ts';
import type { ChapCredentials } from '../../../../protocol/iscsi/directory.ts';
import { LoginGuard } from '../../../../protocol/iscsi/login-guard.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const USER: ChapCredentials = { name: 'user', secret: text('a secret of 16 b') };
const OURSELVES: ChapCredentials = { name: 'disk', secret: text('another, for us.') };

/** Random bytes that are not: 0, 1, 2 … on and on. */
function countingBytes(): (count: number) => Uint8Array {
  let next = 0;
  return (count) => Uint8Array.from({ length: count }, () => next++ & 0xff);
}

function aids(guard = new LoginGuard()) {
  return { randomBytes: countingBytes(), guard };
}

function authenticator(outbound: ChapCredentials | undefined = OURSELVES): ChapAuthenticator {
  const mutual = outbound === undefined ? {} : { outbound };
  return new ChapAuthenticator({ method: 'chap', inbound: [USER], ...mutual }, aids());
}

const step = (chap: ChapAuthenticator, keys: Record<string, string>): ChapStep =>
  chap.step(new Map(Object.entries(keys)));

function answers(outcome: ChapStep): Record<string, string> {
  if (outcome.kind === 'refused') throw new RangeError(outcome.why);
  return Object.fromEntries(outcome.answers);
}

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
const base64 = (bytes: Uint8Array): string => `0b${Buffer.from(bytes).toString('base64')}`;

function response(hash: string, identifier: number, secret: Uint8Array, challenge: Uint8Array): Uint8Array {
  return createHash(hash)
    .update(Buffer.concat([Uint8Array.of(identifier), secret, challenge]))
    .digest();
}

/** What the first step gives: identifier 0, challenge 1, 2, 3 … of the digest's length. */
const challengeOf = (digestBytes: number): Uint8Array =>
  Uint8Array.from({ length: digestBytes }, (_, index) => index + 1);

test.each([
  ['5', 'md5', 16],
  ['6', 'sha1', 20],
  ['7', 'sha256', 32],
  ['8', 'sha3-256', 32],
] as const)('algorithm %s is %s with a challenge of %i bytes', (number, hash, digestBytes) => {
  const chap = authenticator();
  const challenge = challengeOf(digestBytes);
  expect(answers(step(chap, { CHAP_A: number }))).toEqual({
    CHAP_A: number,
    CHAP_I: '0',
    CHAP_C: hex(challenge),
  });
  const proof = response(hash, 0, USER.secret, challenge);
  expect(step(chap, { CHAP_N: 'user', CHAP_R: base64(proof) })).toEqual({
    kind: 'authenticated',
    answers: [],
    userName: 'user',
  });
});

test('the MD5 response of a known exchange', () => {
  // MD5 of 00, "a secret of 16 b", 01 02 … 10, computed with md5sum.
  const chap = authenticator();
  step(chap, { CHAP_A: '5' });
  const known = '0xb1f57b4ca82ae2e4bb73ea4dc5705fd6';
  expect(step(chap, { CHAP_N: 'user', CHAP_R: known }).kind).toBe('authenticated');
});

test('the first algorithm of the initiator that is known here is taken', () => {
  expect(answers(step(authenticator(), { CHAP_A: '99,6,8,5' }))['CHAP_A']).toBe('6');
  expect(answers(step(authenticator(), { CHAP_A: '5,7' }))['CHAP_A']).toBe('5');
  expect(step(authenticator(), { CHAP_A: '4,9,x' })).toMatchObject({ kind: 'refused', status: 0x0201 });
});

test('the target proves itself when asked, in the algorithm agreed on', () => {
  const chap = authenticator();
  step(chap, { CHAP_A: '7' });
  const proof = response('sha256', 0, USER.secret, challengeOf(32));
  const theirs = text('their challenge.');
  const outcome = step(chap, { CHAP_N: 'user', CHAP_R: hex(proof), CHAP_I: '200', CHAP_C: base64(theirs) });
  expect(outcome.kind).toBe('authenticated');
  expect(answers(outcome)).toEqual({
    CHAP_N: 'disk',
    CHAP_R: hex(response('sha256', 200, OURSELVES.secret, theirs)),
  });
});

function refusal(keys: Record<string, string>, outbound?: ChapCredentials): ChapStep {
  const chap = authenticator(outbound ?? OURSELVES);
  step(chap, { CHAP_A: '5' });
  const proof = response('md5', 0, USER.secret, challengeOf(16));
  return step(chap, { CHAP_N: 'user', CHAP_R: hex(proof), ...keys });
}

test.each([
  ['a wrong response', { CHAP_R: hex(new Uint8Array(16)) }, 0x0201],
  ['a response cut short', { CHAP_R: '0x01' }, 0x0201],
  ['a response that is no binary value', { CHAP_R: 'secret' }, 0x0201],
  ['an unknown name', { CHAP_N: 'nobody' }, 0x0201],
  ['the challenge sent back', { CHAP_I: '1', CHAP_C: hex(challengeOf(16)) }, 0x0201],
  ['an identifier past a byte', { CHAP_I: '256', CHAP_C: '0x01' }, 0x0200],
  ['a challenge that is none', { CHAP_I: '1', CHAP_C: 'x' }, 0x0200],
  ['a challenge without identifier', { CHAP_C: '0x01' }, 0x0207],
  ['an identifier without challenge', { CHAP_I: '1' }, 0x0207],
  ['a challenge of more than 1024 bytes', { CHAP_I: '1', CHAP_C: `0x${'00'.repeat(1025)}` }, 0x0200],
] as const)('%s is refused', (_, keys, status) => {
  expect(refusal(keys)).toMatchObject({ kind: 'refused', status });
});

test('one secret for both directions is refused', () => {
  const outcome = refusal({ CHAP_I: '1', CHAP_C: '0x0102' }, { name: 'disk', secret: USER.secret });
  expect(outcome).toMatchObject({ kind: 'refused', status: 0x0201 });
});

test('mutual authentication without a secret of ours is refused', () => {
  const chap = new ChapAuthenticator({ method: 'chap', inbound: [USER] }, aids());
  step(chap, { CHAP_A: '5' });
  const proof = hex(response('md5', 0, USER.secret, challengeOf(16)));
  const outcome = step(chap, { CHAP_N: 'user', CHAP_R: proof, CHAP_I: '1', CHAP_C: '0x01' });
  expect(outcome).toMatchObject({ kind: 'refused', status: 0x0201 });
});

test('a challenge serves one attempt', () => {
  const chap = authenticator();
  step(chap, { CHAP_A: '5' });
  step(chap, { CHAP_N: 'user', CHAP_R: '0x00' });
  const proof = hex(response('md5', 0, USER.secret, challengeOf(16)));
  expect(step(chap, { CHAP_N: 'user', CHAP_R: proof })).toMatchObject({ kind: 'refused' });
});

test('no refusal tells a secret, a challenge or a response', () => {
  const secret = Buffer.from(USER.secret).toString('hex');
  for (const keys of [
    { CHAP_R: '0x01' },
    { CHAP_N: 'nobody' },
    { CHAP_I: '1', CHAP_C: hex(challengeOf(16)) },
  ]) {
    const outcome = refusal(keys);
    const why = outcome.kind === 'refused' ? outcome.why : '';
    expect(why).not.toContain(secret);
    expect(why).not.toContain('0x');
    expect(why).not.toContain('a secret');
  }
});
