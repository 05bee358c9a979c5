/**
 * The life of a connection, in the states of RFC 7143 §8.1 (target side), and of its session (§8.3).
 * Every state is listed, and a signal that a state has no entry for is a mistake of ours. A session
 * has one connection and is not retained without it, so its states follow the connection's.
 */
import assert from 'node:assert';

export type ConnectionSignal =
  | 'transportUp'
  /** The first Login Request came. */
  | 'loginStarted'
  | 'loginDone'
  | 'loginFailed'
  /** An Asynchronous Message asked for a logout. */
  | 'logoutAsked'
  | 'logoutReceived'
  /** The Logout Response was sent. */
  | 'logoutDone'
  | 'transportLost'
  /** A limit of time passed, or this end gives up the connection. */
  | 'dropped'
  /** No task of the connection runs any more. */
  | 'cleanedUp';

export type ConnectionState =
  | 'FREE'
  | 'XPT_UP'
  | 'IN_LOGIN'
  | 'LOGGED_IN'
  | 'LOGOUT_REQUESTED'
  | 'IN_LOGOUT'
  | 'CLEANUP_WAIT';

/** RFC 7143 §8.1.1 to §8.1.3. CLEANUP_WAIT also ends a logout, for as long as a task cannot be stopped. */
export const CONNECTION_TRANSITIONS = {
  FREE: { transportUp: 'XPT_UP' },
  XPT_UP: { loginStarted: 'IN_LOGIN', transportLost: 'FREE', dropped: 'FREE' },
  IN_LOGIN: { loginDone: 'LOGGED_IN', loginFailed: 'FREE', transportLost: 'FREE', dropped: 'FREE' },
  LOGGED_IN: {
    logoutReceived: 'IN_LOGOUT',
    logoutAsked: 'LOGOUT_REQUESTED',
    transportLost: 'CLEANUP_WAIT',
    dropped: 'CLEANUP_WAIT',
  },
  LOGOUT_REQUESTED: {
    logoutReceived: 'IN_LOGOUT',
    transportLost: 'CLEANUP_WAIT',
    dropped: 'CLEANUP_WAIT',
  },
  IN_LOGOUT: { logoutDone: 'CLEANUP_WAIT', transportLost: 'CLEANUP_WAIT', dropped: 'CLEANUP_WAIT' },
  CLEANUP_WAIT: { cleanedUp: 'FREE' },
} as const satisfies Record<ConnectionState, Partial<Record<ConnectionSignal, ConnectionState>>>;

/**
 * RFC 7143 §8.3. Q4 FAILED and Q5 IN_CONTINUE have no place where Time2Retain is 0 and no session is
 * continued.
 */
export type SessionState = 'FREE' | 'ACTIVE' | 'LOGGED_IN';

/** The session's state for each of its connection's. */
export const SESSION_STATES = {
  FREE: 'FREE',
  XPT_UP: 'FREE',
  IN_LOGIN: 'ACTIVE',
  LOGGED_IN: 'LOGGED_IN',
  LOGOUT_REQUESTED: 'LOGGED_IN',
  IN_LOGOUT: 'LOGGED_IN',
  CLEANUP_WAIT: 'LOGGED_IN',
} as const satisfies Record<ConnectionState, SessionState>;

/** The state after `signal`; asserts that the table has one. */
export function nextState(state: ConnectionState, signal: ConnectionSignal): ConnectionState {
  const row: Partial<Record<ConnectionSignal, ConnectionState>> = CONNECTION_TRANSITIONS[state];
  const next = row[signal];
  assert(next !== undefined, `a connection in ${state} has no transition for ${signal}`);
  return next;
}
