/**
 * Several structural verbs as one record of the journal: after a crash all of them stand or none (SYSTEM
 * promise 4). Each step sees what those before it made of the catalogue, so a VLUN can be made, followed and
 * grown in one. A shrink is not among them: it deallocates blocks first, which takes records of its own.
 */
import { OperatorError } from '../lun/errors.ts';
import type { Draft } from './catalogue.ts';
import { clone } from './clone.ts';
import { createVlun } from './create.ts';
import { deleteVlun } from './delete.ts';
import type {
  CloneRequest,
  CreateVlunRequest,
  DeleteVlunRequest,
  PreserveRequest,
  SetVlunRequest,
  WithDocuments,
} from './pool-types.ts';
import { preserve } from './preserve.ts';
import { release } from './release.ts';
import { checkSize, vlunNamed } from './requests.ts';
import { resize } from './resize.ts';
import { setVlun } from './set.ts';

export type Step =
  | ({ readonly kind: 'create' } & Omit<CreateVlunRequest, 'documents'>)
  | ({ readonly kind: 'clone' } & Omit<CloneRequest, 'documents'>)
  | ({ readonly kind: 'preserve' } & Omit<PreserveRequest, 'documents'>)
  | { readonly kind: 'release'; readonly name: string }
  | ({ readonly kind: 'set' } & Omit<SetVlunRequest, 'documents'>)
  | { readonly kind: 'grow'; readonly name: string; readonly sizeBytes: number }
  | ({ readonly kind: 'delete' } & Omit<DeleteVlunRequest, 'documents'>);

export interface SeveralRequest extends WithDocuments {
  readonly steps: readonly Step[];
  /** Told the index of each step before it runs, so that a refusal can be traced to it. */
  readonly onStep?: (index: number) => void;
}

export interface Around {
  readonly nowMs: number;
  /** The names of the documents that belong to units. */
  readonly unitDocuments: readonly string[];
}

/** OperatorError, as the verb of the step gives it. */
export function runSteps(draft: Draft, { steps, onStep }: SeveralRequest, around: Around): void {
  steps.forEach((step, index) => {
    onStep?.(index);
    runStep(draft, step, around);
  });
}

function runStep(draft: Draft, step: Step, { nowMs, unitDocuments }: Around): void {
  switch (step.kind) {
    case 'create':
      createVlun(draft, step, nowMs);
      return;
    case 'clone':
      clone(draft, step, nowMs);
      return;
    case 'preserve':
      preserve(draft, step, nowMs);
      return;
    case 'release':
      release(draft, step.name);
      return;
    case 'set':
      setVlun(draft, step);
      return;
    case 'grow':
      grow(draft, step);
      return;
    case 'delete':
      deleteVlun(draft, step, unitDocuments);
      return;
    default:
      step satisfies never;
  }
}

function grow(
  draft: Draft,
  { name, sizeBytes }: { readonly name: string; readonly sizeBytes: number },
): void {
  const vlun = vlunNamed(draft, name);
  checkSize(sizeBytes, vlun.blockBytes);
  if (sizeBytes < vlun.sizeBytes) {
    throw new OperatorError(
      'shrinks',
      `'${name}' has ${vlun.sizeBytes} bytes and would lose what lies past the new end.`,
    );
  }
  resize(draft, vlun.id, sizeBytes);
}
