/**
 * The guest's second serial port, as the host sees it: one line per message. The guest says READY, MARK, ASK
 * and EXIT; the host answers an ASK. Words travel as base64 of zero-terminated strings, because a serial line
 * has no other framing.
 */

/**
 * The host side of a scenario: does what the words ask for; a status other than 0 tells the guest it failed.
 */
export type HostSide = (words: readonly string[]) => Promise<HostAnswer>;

export interface HostAnswer {
  readonly status: number;
  readonly output: string;
}

export interface ControlEvents {
  onReady(): void;
  onMark(text: string): void;
  onExit(status: number): void;
  onAsk: HostSide;
}

function decodeWords(text: string): string[] {
  return Buffer.from(text, 'base64').toString('utf8').split('\0').slice(0, -1);
}

async function answer(ask: HostSide, words: readonly string[]): Promise<string> {
  const { status, output } = await ask(words).catch((error: unknown) => ({
    status: 126,
    output: `${error}\n`,
  }));
  return `ANSWER ${status} ${Buffer.from(output).toString('base64')}\n`;
}

/** Takes the port's bytes in any pieces; `send` writes an answer to the guest. */
export class Control {
  readonly #events: ControlEvents;
  readonly #send: (text: string) => void;
  #unfinished = '';

  constructor(events: ControlEvents, send: (text: string) => void) {
    this.#events = events;
    this.#send = send;
  }

  receive(text: string): void {
    const lines = (this.#unfinished + text).split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) this.#obey(line.trimEnd());
  }

  #obey(line: string): void {
    const space = line.indexOf(' ');
    const verb = space < 0 ? line : line.slice(0, space);
    const rest = space < 0 ? '' : line.slice(space + 1);
    if (verb === 'READY') this.#events.onReady();
    else if (verb === 'MARK') this.#events.onMark(rest);
    else if (verb === 'EXIT') this.#events.onExit(Number(rest));
    else if (verb === 'ASK') void answer(this.#events.onAsk, decodeWords(rest)).then(this.#send);
  }
}
