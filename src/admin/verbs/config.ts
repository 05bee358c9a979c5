/** Verbs on the configuration as a whole: apply, show. */
import { applyConfiguration } from '../../config/apply.ts';
import { presentConfiguration } from '../../config/present.ts';
import { configurationDocument } from '../../config/render.ts';
import { type Verb, verb } from '../verb.ts';

const apply = verb({
  name: 'config.apply',
  changes: true,
  fields: {
    ...{ text: 'string', file: 'string', directory: 'string' },
    // The paths of the files that hold secrets, and beside each what it holds.
    ...{ secretFiles: 'strings', secrets: 'strings' },
    ...{ dryRun: 'boolean?', prune: 'boolean?', withSnapshots: 'boolean?', force: 'boolean?' },
  },
  async run(context, { text, file, directory, secretFiles, secrets, ...options }) {
    const held = secretFiles.map((path, at) => [path, secrets[at] ?? ''] as const);
    const { dryRun = false, prune = false, withSnapshots = false, force = false } = options;
    const request = { text, file, directory, secrets: new Map(held) };
    const done = await applyConfiguration(context, { ...request, dryRun, prune, withSnapshots, force });
    if (done.applied) {
      context.log.info('configuration applied', {
        event: 'config-applied',
        file,
        changes: done.changes.length,
      });
    }
    return done;
  },
});

const show = verb({
  name: 'config.show',
  changes: false,
  fields: {},
  run: (context) => configurationDocument(presentConfiguration(context)),
});

export const CONFIG_VERBS: readonly Verb[] = [apply, show];
