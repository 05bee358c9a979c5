/**
 * A configuration file, applied whole or not at all. Everything is checked, and rehearsed on a draft, before
 * anything changes; portals are opened and the data space is grown; then one record of the journal makes
 * LUNs, targets, access, schedules and settings what the file says, so that a crash leaves all of it or
 * none. What is left of a failure, or of a crash, before that record is at most a larger data space.
 */
import { OperatorError } from '../../lun/errors.ts';
import { POOL_BLOCK_BYTES } from '../../snapshot/medium/medium.ts';
import { POOL_DEFAULTS } from '../../snapshot/pool-types.ts';
import type { SeveralRequest } from '../../snapshot/several.ts';
import type { AdminContext } from '../admin/verb.ts';
import { SCHEDULE_DOCUMENTS } from '../schedules/schedule.ts';
import type { Settings } from '../settings.ts';
import { warnOfOpenTargets } from '../targets/open-targets.ts';
import type { DocumentChanges } from '../targets/targets.ts';
import { type Change, difference } from './difference.ts';
import { onlyChanged, planTargets, type Secrets, settingsDocument, settingsOf } from './documents.ts';
import { dropLockedOut, hurtBy } from './hurt.ts';
import { type OutcomeOptions, outcomeOf } from './outcome.ts';
import { parseConfiguration } from './parse.ts';
import { presentConfiguration, type WholeConfiguration } from './present.ts';
import { ConfigFault, type Path, type Places } from './shapes.ts';
import { type PlacedStep, stepsBetween } from './steps.ts';

export interface ApplyRequest extends Partial<OutcomeOptions> {
  readonly text: string;
  /** What messages call the file. */
  readonly file: string;
  /** Absolute: where relative paths in the file begin. */
  readonly directory: string;
  readonly secrets: Secrets;
  /** Says what would change, and changes nothing. */
  readonly dryRun?: boolean;
  /** Although initiators or trackers are hurt. */
  readonly force?: boolean;
}

export interface Applied {
  readonly changes: readonly Change[];
  readonly applied: boolean;
  /** Whom it hurts, in words; empty: nobody. */
  readonly hurts: readonly string[];
  /** What was kept and does not show yet. */
  readonly notes: readonly string[];
}

interface Plan {
  readonly present: WholeConfiguration;
  readonly wanted: WholeConfiguration;
  readonly changes: readonly Change[];
  readonly steps: readonly PlacedStep[];
  readonly documents: DocumentChanges;
  readonly growBlocks: number;
}

/**
 * OperatorError bad-config: where in the file, which key, what is wrong; needs-force. Nothing has changed
 * then.
 */
export async function applyConfiguration(context: AdminContext, request: ApplyRequest): Promise<Applied> {
  const { configuration, places } = parseConfiguration(request.text, request.file, request.directory);
  const plan = inPlace(places, () => {
    const options = { prune: request.prune === true, withSnapshots: request.withSnapshots === true };
    const present = presentConfiguration(context);
    return planOf(
      context,
      present,
      outcomeOf(context.pool, present, configuration, options),
      request.secrets,
    );
  });
  inPlace(places, () => rehearse(context, plan));
  const { changes, wanted } = plan;
  const hurts = hurtBy(context, plan.present, wanted);
  const notes = notesOn(context.doors.fixed, settingsOf(wanted));
  const answer = { changes, hurts, notes };
  if (request.dryRun === true || changes.length === 0) return { ...answer, applied: false };
  if (hurts.length > 0 && request.force !== true) {
    throw new OperatorError(
      'needs-force',
      `to apply ${request.file} would hurt ${hurts.join(' and ')}; add --force to go on`,
    );
  }
  await carryOut(context, plan, places);
  return { ...answer, applied: true };
}

function planOf(
  context: AdminContext,
  present: WholeConfiguration,
  wanted: WholeConfiguration,
  secrets: Secrets,
): Plan {
  const { pool, targets, schedules } = context;
  const planned = planTargets(targets, wanted, secrets);
  const documents = onlyChanged((name) => pool.documents.get(name), {
    ...planned.documents,
    ...schedules.planAll(wanted.schedules),
    ...settingsDocument(settingsOf(wanted)),
  });
  const { capacityBytes = 0 } = wanted.pool;
  const growBytes = capacityBytes - (present.pool.capacityBytes ?? 0);
  if (growBytes < 0) {
    throw new ConfigFault(
      ['pool', 'capacity'],
      `the pool has ${present.pool.capacityBytes} bytes and never shrinks`,
    );
  }
  return {
    ...{ present, wanted, documents },
    changes: difference(present, wanted, planned.newSecrets),
    steps: stepsBetween(pool, present, wanted),
    growBlocks: Math.floor(growBytes / POOL_BLOCK_BYTES),
  };
}

/** Where a step is refused, that is told with its place in the file. */
function requestOf({ steps, documents }: Plan): SeveralRequest & { readonly path: () => Path } {
  let at = 0;
  return {
    documents,
    steps: steps.map(({ step }) => step),
    onStep: (index) => {
      at = index;
    },
    path: () => steps[at]?.path ?? [],
  };
}

function rehearse({ pool }: AdminContext, plan: Plan): void {
  const request = requestOf(plan);
  try {
    pool.rehearse(request, plan.growBlocks);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    // Space is reckoned over all of it together, and is no step's own.
    const path = error.code === 'no-space' ? ['luns'] : request.path();
    throw new ConfigFault(path, error.message, { cause: error });
  }
}

async function carryOut(context: AdminContext, plan: Plan, places: Places): Promise<void> {
  const { pool, targets, schedules, doors } = context;
  const { present, wanted, documents } = plan;
  const settings = settingsOf(wanted);
  const prepared = await doors.prepare(settings).catch((error: unknown) => {
    if (error instanceof OperatorError)
      throw places.error(['server', 'portals'], error.message, { cause: error });
    throw error;
  });
  try {
    const { capacityBytes } = wanted.pool;
    if (plan.growBlocks > 0) await pool.grow(Math.floor((capacityBytes ?? 0) / POOL_BLOCK_BYTES));
    // Hidden first, so that no initiator reaches a unit whose blocks are going.
    targets.hide(({ vlun }) => !wanted.luns.has(vlun));
    await pool.change(requestOf(plan));
  } catch (error) {
    prepared.undo();
    targets.refresh();
    throw error;
  }
  targets.refresh();
  prepared.commit();
  if (doors.fixed.thresholdPercents === undefined) followThresholds(context, present, wanted);
  schedules.changed(Object.keys(documents).filter((name) => name.startsWith(SCHEDULE_DOCUMENTS)));
  dropLockedOut(context, present, wanted);
  warnOfOpenTargets({ targets, portals: context.portals(), log: context.log });
}

function followThresholds(
  { pool }: AdminContext,
  { pool: before }: WholeConfiguration,
  { pool: now }: WholeConfiguration,
): void {
  const percents = now.thresholdPercents ?? POOL_DEFAULTS.thresholdPercents;
  if (String(percents) !== String(before.thresholdPercents)) pool.setThresholds(percents);
}

/** What the command line of this server says stays in force until it is started without. */
function notesOn(fixed: Settings, settings: Settings): readonly string[] {
  const options = {
    portals: '--portal',
    advertise: '--advertise',
    isns: '--isns',
    thresholdPercents: '--threshold',
  };
  const names = Object.keys(options) as (keyof Settings)[];
  return names
    .filter((name) => fixed[name] !== undefined && settings[name] !== undefined)
    .filter((name) => String(fixed[name]) !== String(settings[name]))
    .map(
      (name) =>
        `this server was started with ${options[name]}, which goes before the file until it is started without`,
    );
}

function inPlace<T>(places: Places, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ConfigFault) throw places.error(error.path, error.message, { cause: error });
    throw error;
  }
}
