// What stands between a stranger and a LUN, over the whole target with the clock in the test's hands:
// discovery with CHAP, lists that show what may be used, challenges sent back, and guesses that are slowed.
import { createHash } from 'node:crypto';
import {
  decodeText,
  encodeText,
  type Frame,
  formatHex,
  LoginRequest,
  LoginResponse,
  parseBinary,
} from 'node-iscsi-pdu';
import { describe, expect, test } from 'vitest';
import { Initiator, type LoginOptions, PduLink } from '../../support/initiator/index.ts';
import { settle } from '../../support/pool-world.ts';
import { WholeTarget } from '../../support/whole-target.ts';

const TARGET = 'iqn.2026-11.io.snaplun:guarded';
const OTHER = 'iqn.2026-11.io.snaplun:other';
const ALICE = 'iqn.2026-01.test:alice';
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const SECRET = text('a secret of 16 b');
const OURS = text('another, for us.');
const CHAP = { name: 'user', secret: SECRET };
const WRONG = { name: 'user', secret: text('not the right one') };
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A target that wants CHAP, and proves itself when asked. */
async function guarded(): Promise<WholeTarget> {
  const target = await WholeTarget.open({ defaultTarget: TARGET });
  await change(target, TARGET, {
    chapInbound: { name: 'user', secretHex: hexOf(SECRET) },
    chapOutbound: { name: 'disk', secretHex: hexOf(OURS) },
  });
  return target;
}

async function change(target: WholeTarget, name: string, fields: object): Promise<void> {
  const { targets } = target.front;
  await targets.change({ [targets.get(name).documentName]: { ...targets.document(name), ...fields } });
}

/** The status of a login, 0 when it succeeded; undefined while there is no answer. */
function login(target: WholeTarget, options: LoginOptions, address?: string): Promise<number | undefined> {
  const initiator = new Initiator(target.connect(address));
  const status = initiator.login(options).then(
    () => 0,
    (error: { readonly status?: number }) => error.status ?? -1,
  );
  return target.within(40, status);
}

describe('Discovery', () => {
  test('wants CHAP where every target does, and shows what the initiator may use', async () => {
    const target = await guarded();
    await target.front.targets.create(OTHER, undefined);
    await change(target, OTHER, {
      chapInbound: { name: 'user', secretHex: hexOf(SECRET) },
      allowedInitiators: [ALICE],
    });
    expect(await login(target, {})).toBe(0x0201);
    expect(await login(target, { chap: WRONG })).toBe(0x0201);
    expect(await login(target, { skipSecurity: true })).toBe(0x0201);
    const shown = async (initiatorName: string): Promise<readonly string[]> => {
      const initiator = new Initiator(target.connect());
      await initiator.login({ initiatorName, chap: CHAP });
      const pairs = await initiator.sendTargets();
      return pairs.filter(([key]) => key === 'TargetName').map(([, value]) => value);
    };
    expect(await shown(ALICE)).toEqual([TARGET, OTHER]);
    expect(await shown('iqn.2026-01.test:bob')).toEqual([TARGET]);
  });

  test('is open where a target is, and what that initiator may not use stays hidden', async () => {
    const target = await WholeTarget.open({ defaultTarget: TARGET });
    await target.front.targets.create(OTHER, undefined);
    await change(target, OTHER, { allowedInitiators: [ALICE] });
    const initiator = new Initiator(target.connect());
    await initiator.login({ initiatorName: 'iqn.2026-01.test:bob' });
    expect(JSON.stringify(await initiator.sendTargets())).not.toContain(OTHER);
    expect(await login(target, { targetName: OTHER, initiatorName: 'iqn.2026-01.test:bob' })).toBe(0x0202);
  });
});

/** A login taken step by step. */
class Steps {
  readonly #link: PduLink;
  #answer: (frame: Frame) => void = () => undefined;

  constructor(target: WholeTarget) {
    this.#link = new PduLink(target.connect());
    this.#link.onFrame((frame) => this.#answer(frame));
  }

  ask(pairs: readonly (readonly [string, string])[], transit = false): Promise<Map<string, string>> {
    return new Promise((resolve) => {
      this.#answer = ({ bhs, data }) =>
        resolve(new Map([['status', String(LoginResponse.decode(bhs).status)], ...decodeText(data)]));
      const isid = Uint8Array.of(0x80, 0, 0, 9, 0, 0);
      const fields = { csg: 0, nsg: transit ? 1 : 0, transit, isid, cmdSN: 1 };
      this.#link.send(LoginRequest, fields, { data: encodeText(pairs) });
    });
  }

  /** The challenge of a login that has come to that. */
  async challenge(): Promise<{ readonly identifier: number; readonly challenge: Uint8Array }> {
    const names = [
      ['InitiatorName', ALICE],
      ['TargetName', TARGET],
    ] as const;
    await this.ask([...names, ['AuthMethod', 'CHAP']]);
    const keys = await this.ask([['CHAP_A', '7']]);
    const challenge = parseBinary(keys.get('CHAP_C') ?? '') ?? new Uint8Array(0);
    return { identifier: Number(keys.get('CHAP_I')), challenge };
  }

  close(): void {
    this.#link.close();
  }
}

/** A right proof for `to`, and `theirs` as the challenge of this end. */
function proof(
  to: { readonly identifier: number; readonly challenge: Uint8Array },
  theirs: Uint8Array,
): readonly (readonly [string, string])[] {
  const hash = createHash('sha256').update(Uint8Array.of(to.identifier)).update(SECRET).update(to.challenge);
  return [
    ['CHAP_N', 'user'],
    ['CHAP_R', formatHex(hash.digest())],
    ['CHAP_I', '1'],
    ['CHAP_C', formatHex(theirs)],
  ];
}

describe('A challenge of this target', () => {
  test('is not answered when it comes back on another connection, as long as it could be used', async () => {
    const target = await guarded();
    const [victim, attacker, later] = [new Steps(target), new Steps(target), new Steps(target)];
    const { challenge } = await victim.challenge();
    const answer = await attacker.ask(proof(await attacker.challenge(), challenge), true);
    expect(answer.get('status')).toBe(String(0x0201));
    expect(answer.has('CHAP_R')).toBe(false);
    // The login that it was sent in is over: nothing can be had with an answer to it any more.
    victim.close();
    await settle(4);
    expect(target.front.guard.outstandingChallenges).toBe(0);
    const proven = await later.ask(proof(await later.challenge(), challenge), true);
    expect(proven.get('status')).toBe('0');
    const expected = createHash('sha256').update(Uint8Array.of(1)).update(OURS).update(challenge).digest();
    expect(proven.get('CHAP_R')).toBe(formatHex(expected));
    expect(target.front.guard.outstandingChallenges).toBe(0);
  });
});

describe('Guessing', () => {
  const GUESSER = '198.51.100.7';

  test('is slowed for the address it comes from, right guesses too, and for no other', async () => {
    const target = await guarded();
    const guess = { targetName: TARGET, chap: WRONG };
    const right = { targetName: TARGET, chap: CHAP };
    for (let nth = 0; nth < 3; nth += 1) expect(await login(target, guess, GUESSER)).toBe(0x0201);
    const initiator = new Initiator(target.connect(GUESSER));
    let answered = false;
    const waiting = initiator.login(right).then(() => {
      answered = true;
    });
    await settle(40);
    expect(answered).toBe(false);
    expect(await login(target, right, '198.51.100.8')).toBe(0);
    await target.advance(249);
    await settle(10);
    expect(answered).toBe(false);
    await target.advance(1);
    await waiting;
    expect(target.front.guard.delayed).toBe(1);
    const facts = target.lines.filter(({ fields }) => fields['event'] === 'authentication-failed');
    expect(facts.map(({ fields }) => fields['failuresOfAddress'])).toEqual([1, 2, 3]);
  });

  test('on many connections at once is looked at one by one, or told to come later', async () => {
    const target = await guarded();
    const statuses: number[] = [];
    const guess = async (count: number): Promise<void> => {
      for (let nth = 0; nth < count; nth += 1) {
        const initiator = new Initiator(target.connect(GUESSER));
        const attempt = initiator.login({ targetName: TARGET, chap: WRONG });
        attempt.catch((error: { readonly status: number }) => statuses.push(error.status));
      }
      await settle(60);
    };
    const answered = (status: number): number => statuses.filter((one) => one === status).length;
    // Three are free, thirty-two fit into eight seconds at four a second, and the rest does not.
    await guess(40);
    expect([answered(0x0201), answered(0x0301)]).toEqual([3, 5]);
    await target.advance(8_000);
    await settle(60);
    expect([answered(0x0201), answered(0x0301)]).toEqual([35, 5]);
    // By now each costs two seconds.
    await guess(20);
    expect([answered(0x0201), answered(0x0301)]).toEqual([35, 21]);
    await target.advance(8_000);
    await settle(60);
    expect([answered(0x0201), answered(0x0301)]).toEqual([39, 21]);
    expect(target.timers.pending).toBe(0);
  });

  test('a proof that waits is dropped with its connection', async () => {
    const target = await guarded();
    for (let nth = 0; nth < 3; nth += 1) await login(target, { targetName: TARGET, chap: WRONG }, GUESSER);
    const transport = target.connect(GUESSER);
    const initiator = new Initiator(transport);
    const lost = expect(initiator.login({ targetName: TARGET, chap: CHAP })).rejects.toThrow();
    await settle(20);
    transport.close();
    await lost;
    await target.advance(10_000);
    expect([target.front.hub.sessions().length, target.timers.pending]).toEqual([0, 0]);
    expect(target.front.guard.outstandingChallenges).toBe(0);
  });
});
