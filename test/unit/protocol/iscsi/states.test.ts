// The transition table against the target's diagram of RFC 7143 §8.1.1 to §8.1.3, transcribed by hand
// with the numbers of its transitions, and the rule that a missing entry is an error.
import { expect, test } from 'vitest';
import {
  CONNECTION_TRANSITIONS,
  type ConnectionSignal,
  type ConnectionState,
  nextState,
} from '../../../../protocol/iscsi/states.ts';

const ARROWS: readonly (readonly [ConnectionState, ConnectionSignal, ConnectionState])[] = [
  ['FREE', 'transportUp', 'XPT_UP'], // T3
  ['XPT_UP', 'loginStarted', 'IN_LOGIN'], // T4
  ['XPT_UP', 'transportLost', 'FREE'], // T6
  ['XPT_UP', 'dropped', 'FREE'], // T6
  ['IN_LOGIN', 'loginDone', 'LOGGED_IN'], // T5
  ['IN_LOGIN', 'loginFailed', 'FREE'], // T7
  ['IN_LOGIN', 'transportLost', 'FREE'], // T7
  ['IN_LOGIN', 'dropped', 'FREE'], // T7
  ['LOGGED_IN', 'logoutReceived', 'IN_LOGOUT'], // T9
  ['LOGGED_IN', 'logoutAsked', 'LOGOUT_REQUESTED'], // T11
  ['LOGGED_IN', 'transportLost', 'CLEANUP_WAIT'], // T15
  ['LOGGED_IN', 'dropped', 'CLEANUP_WAIT'], // T15
  ['LOGOUT_REQUESTED', 'logoutReceived', 'IN_LOGOUT'], // T10
  ['LOGOUT_REQUESTED', 'transportLost', 'CLEANUP_WAIT'], // T17
  ['LOGOUT_REQUESTED', 'dropped', 'CLEANUP_WAIT'], // T17
  ['IN_LOGOUT', 'logoutDone', 'CLEANUP_WAIT'], // T13, by way of the tasks that still run
  ['IN_LOGOUT', 'transportLost', 'CLEANUP_WAIT'], // T16
  ['IN_LOGOUT', 'dropped', 'CLEANUP_WAIT'], // T16
  ['CLEANUP_WAIT', 'cleanedUp', 'FREE'], // M2
];

test('the table has these arrows and no others', () => {
  const found = Object.entries(CONNECTION_TRANSITIONS).flatMap(([state, row]) =>
    Object.entries(row).map(([signal, next]) => `${state} ${signal} ${next}`),
  );
  expect(found.sort()).toEqual(ARROWS.map((arrow) => arrow.join(' ')).sort());
});

test('a signal that a state does not know is a mistake of ours', () => {
  expect(() => nextState('FREE', 'loginDone')).toThrow('no transition');
  expect(() => nextState('CLEANUP_WAIT', 'logoutReceived')).toThrow('no transition');
});
