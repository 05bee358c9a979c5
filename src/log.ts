/**
 * The log: one line for each event that an operator would act on, to standard error. Facts of the
 * cores and of the pool are worded where they arise; addresses and names are added here. Nothing
 * secret is ever part of a fact.
 */
import winston from 'winston';

export type LogFormat = 'text' | 'json';
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

/** `2026-11-22T12:00:00.000Z info message key=value key="two words"`. */
function textLine(info: winston.Logform.TransformableInfo): string {
  let line = `${String(info['timestamp'])} ${info.level} ${String(info.message)}`;
  for (const [key, value] of Object.entries(info)) {
    if (RESERVED.has(key) || value === undefined) continue;
    const text = String(value);
    line += /^[\w.:@/[\],-]+$/.test(text) ? ` ${key}=${text}` : ` ${key}=${JSON.stringify(text)}`;
  }
  return line;
}

export function createLog(options: { readonly format: LogFormat; readonly level: LogLevel }): Log {
  const { combine, timestamp, json, printf } = winston.format;
  const logger = winston.createLogger({
    level: options.level,
    format: combine(timestamp(), options.format === 'json' ? json() : printf(textLine)),
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
