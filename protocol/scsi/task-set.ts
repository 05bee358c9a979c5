/**
 * The task set of one logical unit (SAM-5 §8.4–8.6), shared by all nexuses (TST 000b).
 *
 * SIMPLE tasks run as they come, together. An ORDERED task waits for everything before it and
 * everything after it waits for it. A HEAD OF QUEUE task runs at once and later tasks wait for it.
 * As long as all tasks are SIMPLE this is a counter; a queue exists only behind the other two kinds.
 */
import { BLOCKED_TASKS_MAX } from './limits.ts';
import type { TaskAttribute } from './task.ts';

interface BlockedTask {
  readonly owner: object;
  readonly tag: number;
  readonly ordered: boolean;
  readonly start: () => void;
  readonly gone: () => void;
}

export class TaskSet {
  #running = 0;
  /** Running tasks that later ones wait for: ORDERED and HEAD OF QUEUE. */
  #barriers = 0;
  #blocked: BlockedTask[] = [];

  get running(): number {
    return this.#running;
  }

  get blocked(): number {
    return this.#blocked.length;
  }

  /** Takes a SIMPLE task when nothing stands before it: true, and `simpleEnded` must follow. The hot path. */
  admitSimple(): boolean {
    if (this.#barriers !== 0 || this.#blocked.length !== 0) return false;
    this.#running += 1;
    return true;
  }

  simpleEnded(): void {
    this.#running -= 1;
    if (this.#blocked.length !== 0) this.#startBlocked();
  }

  /**
   * Enters a task of any kind. `start` is called when it may run, perhaps at once, and the task says
   * with `ended` that it is over; `gone` is called instead when it waits and is dismissed. False: too many
   * tasks wait (TASK SET FULL) and it was not entered.
   */
  enter(task: Omit<BlockedTask, 'ordered'> & { readonly attribute: TaskAttribute }): boolean {
    if (task.attribute === 'head-of-queue') {
      this.#running += 1;
      this.#barriers += 1;
      task.start();
      return true;
    }
    if (this.#blocked.length >= BLOCKED_TASKS_MAX) return false;
    const { owner, tag, start, gone } = task;
    this.#blocked.push({ owner, tag, start, gone, ordered: task.attribute === 'ordered' });
    this.#startBlocked();
    return true;
  }

  ended(attribute: TaskAttribute): void {
    if (attribute === 'head-of-queue' || attribute === 'ordered') this.#barriers -= 1;
    this.simpleEnded();
  }

  /** Takes a task out that has not begun to run. */
  cancel(owner: object, tag: number): boolean {
    const at = this.#blocked.findIndex((task) => task.owner === owner && task.tag === tag);
    if (at < 0) return false;
    this.#blocked.splice(at, 1);
    this.#startBlocked();
    return true;
  }

  /** Takes out every task of an owner that has not begun to run. */
  cancelAll(owner: object): void {
    this.#remove(owner);
    this.#startBlocked();
  }

  /** The same for an owner that is still there but is shown the unit no more: each of its tasks is told. */
  dismiss(owner: object): void {
    for (const { gone } of this.#remove(owner)) gone();
    this.#startBlocked();
  }

  #remove(owner: object): readonly BlockedTask[] {
    const out = this.#blocked.filter((task) => task.owner === owner);
    if (out.length > 0) this.#blocked = this.#blocked.filter((task) => task.owner !== owner);
    return out;
  }

  #startBlocked(): void {
    for (let next = this.#blocked[0]; next !== undefined; next = this.#blocked[0]) {
      if (this.#barriers !== 0 || (next.ordered && this.#running !== 0)) return;
      this.#blocked.shift();
      this.#running += 1;
      if (next.ordered) this.#barriers += 1;
      next.start();
    }
  }
}
