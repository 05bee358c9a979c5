/**
 * The lock of a VLUN family (SYSTEM.md P8): shared for reads, exclusive for changes, over ranges of pool
 * blocks. It belongs to no image. It is fair: a request waits behind every earlier one that conflicts with
 * it, held or waiting, and behind nothing else; so nobody starves, and since waiting points to earlier
 * requests only, nobody waits in a circle.
 *
 * A ticket knows how many earlier ones it waits for, and each of those knows who waits for it; a release
 * therefore looks at nobody else. To find conflicts, tickets are kept in slots: of n slots, one stands for
 * every n-th bucket of 32 blocks, and holds tickets in the order of their arrival. There are few slots until
 * there are many tickets: of many locks with a few tickets each, the slots together would push everything
 * else out of the processor's cache. Ranges wider than 2 MiB are few and are kept in one list instead; a
 * request that wide compares itself with everything.
 *
 * One shortcut keeps a queue at a hot block short: an exclusive ticket that covers the new range waits for
 * all that the new one would wait for before it, so what arrived earlier needs no look.
 */
import assert from 'node:assert';

/** Blocks from `first` to `last`, both included. */
export interface LockRange {
  readonly first: number;
  readonly last: number;
}

/** Powers of two. */
const SLOTS_MIN = 32;
const SLOTS_MAX = 1024;
const BUCKET_BLOCKS = 32;
/** A range over more buckets than this is wide. */
const NARROW_BUCKETS_MAX = 17;

/** A request, held or waiting. Owned by the lock. */
export class Ticket {
  readonly first: number;
  readonly last: number;
  readonly exclusive: boolean;
  /** The ranges where there are several; `first` and `last` then span them all. */
  readonly ranges: readonly LockRange[] | undefined;
  readonly granted: (ticket: Ticket) => void;
  readonly order: number;
  state: 'waiting' | 'ready' | 'held' | 'ended' = 'held';
  /** Earlier tickets in conflict that have not ended. */
  waitsFor = 0;
  /** Later tickets that count this one in `waitsFor`. */
  followers: Ticket[] | undefined = undefined;
  /** The last search that met this ticket, so that one in two slots is met once. */
  metBy = 0;

  constructor(range: LockRange, request: Request, order: number) {
    this.first = range.first;
    this.last = range.last;
    this.exclusive = request.exclusive;
    this.ranges = request.ranges;
    this.granted = request.granted;
    this.order = order;
  }
}

interface Request {
  readonly exclusive: boolean;
  readonly ranges: readonly LockRange[] | undefined;
  readonly granted: (ticket: Ticket) => void;
}

function emptySlots(count: number): Ticket[][] {
  return Array.from({ length: count }, () => []);
}

const bucketOf = (block: number): number => Math.floor(block / BUCKET_BLOCKS);

function isWide(range: LockRange): boolean {
  return bucketOf(range.last) - bucketOf(range.first) >= NARROW_BUCKETS_MAX;
}

/** Whether two tickets share a block; that one of them is exclusive is known. */
function overlap(one: Ticket, other: Ticket): boolean {
  if (one.first > other.last || other.first > one.last) return false;
  if (one.ranges === undefined && other.ranges === undefined) return true;
  const others = other.ranges ?? [other];
  return (one.ranges ?? [one]).some((range) =>
    others.some(({ first, last }) => range.first <= last && first <= range.last),
  );
}

function conflict(one: Ticket, other: Ticket): boolean {
  return (one.exclusive || other.exclusive) && overlap(one, other);
}

function removeFrom(tickets: Ticket[], ticket: Ticket): void {
  if (tickets[tickets.length - 1] === ticket) {
    tickets.pop();
    return;
  }
  const at = tickets.indexOf(ticket);
  assert(at >= 0, 'a ticket is where it was put');
  tickets.splice(at, 1);
}

export class RangeLock {
  /** Whoever holds two locks at once takes the one with the lower number first. */
  readonly number: number;
  #slots: readonly Ticket[][] = emptySlots(SLOTS_MIN);
  readonly #wide: Ticket[] = [];
  readonly #waiting = new Map<(ticket: Ticket) => void, Ticket>();
  /** Granted, and not yet told; more than one only while `granted` functions run. */
  readonly #ready: Ticket[] = [];
  #telling = false;
  #inFlight = 0;
  #exclusive = 0;
  #order = 0;
  #search = 0;

  constructor(number = 0) {
    this.number = number;
  }

  /** Tickets granted and not released. */
  get held(): number {
    return this.#inFlight - this.#waiting.size;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Nobody holds blocks `first` to `last` (included), or waits for them, in conflict: the caller may work on
   * them without a ticket until the loop turns or it calls this lock again.
   */
  isFree(first: number, last: number, exclusive: boolean): boolean {
    if (this.#inFlight === 0 || (!exclusive && this.#exclusive === 0)) return true;
    const fromBucket = bucketOf(first);
    const toBucket = bucketOf(last);
    if (toBucket - fromBucket >= NARROW_BUCKETS_MAX) {
      return (
        this.#slots.every((slot) => !meets(slot, first, last, exclusive)) &&
        this.#wideFree(first, last, exclusive)
      );
    }
    for (let bucket = fromBucket; bucket <= toBucket; bucket += 1) {
      if (meets(this.#slotOf(bucket), first, last, exclusive)) return false;
    }
    return this.#wideFree(first, last, exclusive);
  }

  /**
   * Asks for blocks `first` to `last` (included). The ticket when it is granted now; else undefined, and
   * `granted` is called with it later, from within a `release` or `cancel`.
   */
  acquire(
    first: number,
    last: number,
    exclusive: boolean,
    granted: (ticket: Ticket) => void,
  ): Ticket | undefined {
    assert(first >= 0 && first <= last, 'a lock range has a block');
    this.#order += 1;
    return this.#enter(new Ticket({ first, last }, { exclusive, ranges: undefined, granted }, this.#order));
  }

  /** The same for several ranges at once: all of them or none, under one ticket. */
  acquireMany(
    ranges: readonly LockRange[],
    exclusive: boolean,
    granted: (ticket: Ticket) => void,
  ): Ticket | undefined {
    let first = Number.POSITIVE_INFINITY;
    let last = -1;
    for (const range of ranges) {
      assert(range.first >= 0 && range.first <= range.last, 'a lock range has a block');
      first = Math.min(first, range.first);
      last = Math.max(last, range.last);
    }
    assert(last >= 0, 'a lock has a range');
    this.#order += 1;
    const several = ranges.length > 1 ? ranges : undefined;
    return this.#enter(new Ticket({ first, last }, { exclusive, ranges: several, granted }, this.#order));
  }

  /** Ends a ticket that was granted. Whoever waited for it alone is granted. */
  release(ticket: Ticket): void {
    assert(ticket.state === 'held', 'a held ticket is released once');
    this.#leave(ticket);
    const { followers } = ticket;
    if (followers === undefined) return;
    for (const follower of followers) this.#waitsForOneLess(follower);
    this.#tellReady();
  }

  /**
   * Withdraws the request that waits to call this very function. False: none does, or it is about to be
   * called.
   */
  cancel(granted: (ticket: Ticket) => void): boolean {
    const ticket = this.#waiting.get(granted);
    if (ticket === undefined) return false;
    this.#waiting.delete(granted);
    this.#leave(ticket);
    for (const follower of ticket.followers ?? []) {
      if (follower.state !== 'waiting') continue;
      this.#follow(follower, true);
      this.#waitsForOneLess(follower);
    }
    this.#tellReady();
    return true;
  }

  #wideFree(first: number, last: number, exclusive: boolean): boolean {
    return this.#wide.length === 0 || !meets(this.#wide, first, last, exclusive);
  }

  #enter(ticket: Ticket): Ticket | undefined {
    if (ticket.exclusive || this.#exclusive > 0) this.#follow(ticket, false);
    this.#inFlight += 1;
    if (ticket.exclusive) this.#exclusive += 1;
    if (isWide(ticket)) this.#wide.push(ticket);
    else this.#put(ticket);
    if (this.#inFlight > this.#slots.length && this.#slots.length < SLOTS_MAX) this.#spread();
    if (ticket.waitsFor === 0) return ticket;
    assert(!this.#waiting.has(ticket.granted), 'each waiting request has a function of its own');
    ticket.state = 'waiting';
    this.#waiting.set(ticket.granted, ticket);
    return undefined;
  }

  #leave(ticket: Ticket): void {
    ticket.state = 'ended';
    this.#inFlight -= 1;
    if (ticket.exclusive) this.#exclusive -= 1;
    if (isWide(ticket)) {
      removeFrom(this.#wide, ticket);
      return;
    }
    const toBucket = bucketOf(ticket.last);
    for (let bucket = bucketOf(ticket.first); bucket <= toBucket; bucket += 1) {
      removeFrom(this.#slotOf(bucket), ticket);
    }
  }

  #slotOf(bucket: number): Ticket[] {
    return this.#slots[bucket & (this.#slots.length - 1)] as Ticket[];
  }

  #put(ticket: Ticket): void {
    const toBucket = bucketOf(ticket.last);
    for (let bucket = bucketOf(ticket.first); bucket <= toBucket; bucket += 1) {
      this.#slotOf(bucket).push(ticket);
    }
  }

  /** Twice as many slots, in which the tickets are again in the order of their arrival. */
  #spread(): void {
    const tickets = new Set(this.#slots.flat());
    this.#slots = emptySlots(this.#slots.length * 2);
    for (const ticket of [...tickets].sort((one, other) => one.order - other.order)) this.#put(ticket);
  }

  /**
   * Makes the ticket wait for every earlier one in conflict; `again` when it waits for some of them already.
   */
  #follow(ticket: Ticket, again: boolean): void {
    this.#search += 1;
    this.#followIn(this.#wide, ticket, again);
    if (isWide(ticket)) {
      for (const slot of this.#slots) this.#followIn(slot, ticket, again);
      return;
    }
    const toBucket = bucketOf(ticket.last);
    for (let bucket = bucketOf(ticket.first); bucket <= toBucket; bucket += 1) {
      this.#followIn(this.#slotOf(bucket), ticket, again);
    }
  }

  #followIn(tickets: readonly Ticket[], ticket: Ticket, again: boolean): void {
    for (let at = tickets.length - 1; at >= 0; at -= 1) {
      const earlier = tickets[at] as Ticket;
      if (earlier.order >= ticket.order || earlier.metBy === this.#search) continue;
      if (!conflict(earlier, ticket)) continue;
      earlier.metBy = this.#search;
      if (!again || !earlier.followers?.includes(ticket)) addFollower(earlier, ticket);
      const covers = earlier.first <= ticket.first && ticket.last <= earlier.last;
      if (covers && earlier.exclusive && earlier.ranges === undefined && ticket.ranges === undefined) return;
    }
  }

  #waitsForOneLess(ticket: Ticket): void {
    ticket.waitsFor -= 1;
    if (ticket.waitsFor > 0 || ticket.state !== 'waiting') return;
    this.#waiting.delete(ticket.granted);
    ticket.state = 'ready';
    this.#ready.push(ticket);
  }

  /**
   * Tells those that became ready, one after the other. A release from within a `granted` function only adds
   * to the list, so that a long queue of commands that complete at once does not nest.
   */
  #tellReady(): void {
    if (this.#telling) return;
    this.#telling = true;
    const thrown: unknown[] = [];
    for (let ticket = this.#ready.shift(); ticket !== undefined; ticket = this.#ready.shift()) {
      ticket.state = 'held';
      try {
        ticket.granted(ticket);
      } catch (error) {
        // A defect, passed on once everybody else has been told: nobody waits for ever because of it.
        thrown.push(error);
      }
    }
    this.#telling = false;
    if (thrown.length > 0) throw thrown[0];
  }
}

function meets(tickets: readonly Ticket[], first: number, last: number, exclusive: boolean): boolean {
  for (const ticket of tickets) {
    if (ticket.first > last || ticket.last < first || !(exclusive || ticket.exclusive)) continue;
    if (ticket.ranges === undefined) return true;
    if (ticket.ranges.some((range) => range.first <= last && first <= range.last)) return true;
  }
  return false;
}

function addFollower(earlier: Ticket, ticket: Ticket): void {
  if (earlier.followers === undefined) earlier.followers = [ticket];
  else earlier.followers.push(ticket);
  ticket.waitsFor += 1;
}
