/**
 * What goes over the admin socket: one request per connection, one line of JSON each way. The server
 * never acts on a line that is too long or not JSON.
 */

/** Bytes of a request line. */
export const REQUEST_BYTES_MAX = 1024 * 1024;

export interface AdminRequest {
  readonly verb: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export type AdminResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: AdminFailure };

export interface AdminFailure {
  /** A stable word: 'not-found', 'exists', 'needs-force', 'internal', … */
  readonly code: string;
  /** One line: what, why, and what to do. */
  readonly message: string;
}

export function isAdminRequest(value: unknown): value is AdminRequest {
  if (typeof value !== 'object' || value === null) return false;
  const { verb, arguments: args } = value as { verb?: unknown; arguments?: unknown };
  return typeof verb === 'string' && typeof args === 'object' && args !== null;
}

export function isAdminResponse(value: unknown): value is AdminResponse {
  if (typeof value !== 'object' || value === null || !('ok' in value)) return false;
  return value.ok === true ? 'result' in value : 'error' in value;
}
