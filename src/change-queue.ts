/** Changes of the server run one after another, whoever asks: each sees the state the one before has left. */
export class ChangeQueue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(change: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(change, change);
    this.#last = mine.catch((error: unknown) => error);
    return mine;
  }
}
