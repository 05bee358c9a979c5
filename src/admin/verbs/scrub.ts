/** `pool scrub`: a stream of progress, one JSON document a frame, and the report as the answer; and its end. */
import { checkArguments } from '../arguments.ts';
import { type StreamVerb, type Verb, verb } from '../verb.ts';

export const SCRUB_STREAM: StreamVerb = {
  name: 'pool.scrub',
  direction: 'out',
  async run(context, given, channel) {
    checkArguments('pool.scrub', {}, given);
    context.log.info('a scrub begins', { event: 'scrub-begun' });
    // A client that goes away ends the scrub: its progress can no longer be written.
    const report = await context.pool.scrub((progress) =>
      channel.write(Buffer.from(JSON.stringify(progress))),
    );
    const { state, errorCount, checkedBytes, values, durationMs } = report;
    context.log.info('a scrub has ended', {
      event: 'scrub-ended',
      state,
      errorCount,
      checkedBytes,
      values,
      durationMs,
    });
    return report;
  },
};

export const SCRUB_STOP: Verb = verb({
  name: 'pool.scrub-stop',
  changes: false,
  fields: {},
  run: (context) => ({ stopped: context.pool.stopScrub() }),
});
