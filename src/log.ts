/**
 * The log: one line for each event that an operator would act on, to standard error. Facts of the
 * cores and of the pool are worded where they arise; addresses and names are added here. Nothing
 * secret is ever part of a fact.
 */
import winston from 'winston';

export const LOG_FORMATS = ['text', 'json', 'journal'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values that belong to an event: numbers, names, addresses. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** Resolves when everything was handed to the operating system. */
  close(): Promise<void>;
}

const RESERVED = new Set(['level', 'message', 'timestamp']);

/** `message key=value key="two words"`. */
function eventText(info: winston.Logform.TransformableInfo): string {
  let line = String(info.message);
  for (const [key, value] of Object.entries(info)) {
    if (RESERVED.has(key) || value === undefined) continue;
    const text = String(value);
    line += /^[\w.:@/[\],-]+$/.test(text) ? ` ${key}=${text}` : ` ${key}=${JSON.stringify(text)}`;
  }
  return line;
}

/** `2026-11-22T12:00:00.000Z info message key=value`. */
function textLine(info: winston.Logform.TransformableInfo): string {
  return `${String(info['timestamp'])} ${info.level} ${eventText(info)}`;
}

/** As journald takes priorities from lines (sd-daemon(3)): LOG_ERR is 3, LOG_DEBUG 7. */
const JOURNAL_PRIORITIES: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** `<6>message key=value`: journald has the time already. */
function journalLine(info: winston.Logform.TransformableInfo): string {
  return `<${JOURNAL_PRIORITIES[info.level] ?? 6}>${eventText(info)}`;
}

export function createLog(options: { readonly format: LogFormat; readonly level: LogLevel }): Log {
  const { combine, timestamp, json, printf } = winston.format;
  const forms = { text: printf(textLine), json: json(), journal: printf(journalLine) };
  const logger = winston.createLogger({
    level: options.level,
    format: combine(timestamp(), forms[options.format]),
    transports: [new winston.transports.Stream({ stream: process.stderr })],
  });
  return {
    error: (message, fields) => void logger.error(message, fields),
    warn: (message, fields) => void logger.warn(message, fields),
    info: (message, fields) => void logger.info(message, fields),
    debug: (message, fields) => void logger.debug(message, fields),
    close: () =>
      new Promise((resolve) => {
        logger.once('finish', () => resolve());
        logger.end();
      }),
  };
}
