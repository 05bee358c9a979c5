/**
 * The verbs that give a VLUN other contents, size or mode under the initiators that use it: rollback, the
 * end of an import, resize, several changes at once. Commands that reach past the smaller of the two sizes
 * are refused while they run, and initiators are told afterwards.
 */
import type { UnitFact } from '../lun/logical-unit.ts';
import { Draft, type VlunObject } from './catalogue.ts';
import type { Lookup } from './lookup.ts';
import type { AdoptRequest, ResizeRequest, RollbackRequest, WithDocuments } from './pool-types.ts';
import { UNIT_DOCUMENT_PREFIX } from './pool-unit.ts';
import { checkDocuments } from './requests.ts';
import { checkResize, resize } from './resize.ts';
import { rollback } from './rollback.ts';
import type { PoolService } from './service.ts';
import { runSteps, type SeveralRequest } from './several.ts';
import { adopt } from './staging.ts';
import type { Units } from './units.ts';
import { growingWouldShow, unseenRestBytes } from './unseen-rest.ts';
import { changeCatalogue, withDocuments } from './verb.ts';
import type { VlunNode } from './views.ts';

export interface ContentVerbsOptions {
  readonly service: PoolService;
  readonly units: Units;
  readonly lookup: Lookup;
}

export class ContentVerbs {
  readonly #service: PoolService;
  readonly #units: Units;
  readonly #lookup: Lookup;

  constructor({ service, units, lookup }: ContentVerbsOptions) {
    this.#service = service;
    this.#units = units;
    this.#lookup = lookup;
  }

  /** OperatorError not-found. */
  async rollback(request: RollbackRequest): Promise<VlunObject> {
    const node = this.#lookup.nodeNamed(request.vlun);
    const { sizeBytes } = node.vlun;
    const target = this.#lookup.snapshot(request.vlun, request.snapshot);
    const verb = (draft: Draft): VlunObject[] => rollback(draft, request);
    const changed = await this.#replacing(node, { ...request, sizeBytes: target.sizeBytes }, verb);
    for (const one of changed) this.#tell(one.id, 'contents-replaced');
    if (target.sizeBytes !== sizeBytes) this.#tell(node.id, 'capacity-changed');
    this.#service.reclaimer.wake();
    return this.#lookup.node(node.id).vlun;
  }

  /** OperatorError not-found, exists, bad-name, changed. */
  async adopt(request: AdoptRequest): Promise<VlunObject> {
    const staged = this.#lookup.vlun(request.staging);
    const node = this.#lookup.node(
      request.base === undefined ? staged.id : this.#lookup.vlun(request.name).id,
    );
    const { sizeBytes } = node;
    const verb = (draft: Draft): VlunObject[] => adopt(draft, request, this.isEmpty);
    const contents = { ...request, sizeBytes: staged.sizeBytes };
    const [vlun, ...followers] = await this.#replacing(node, contents, verb);
    if (request.base === undefined) this.#units.renamed(node);
    for (const one of [node, ...followers]) this.#tell(one.id, 'contents-replaced');
    if (sizeBytes !== staged.sizeBytes) this.#tell(node.id, 'capacity-changed');
    this.#service.reclaimer.wake();
    return vlun as VlunObject;
  }

  /** OperatorError not-found, bad-size, shrinks. */
  async resize(request: ResizeRequest): Promise<VlunObject> {
    const { id, sizeBytes } = this.#lookup.vlun(request.name);
    checkResize(this.#lookup.vlun(request.name), request);
    checkDocuments(request.documents);
    const node = this.#lookup.node(id);
    const { device } = this.#units.ofVlun(node);
    try {
      if (request.sizeBytes < sizeBytes) {
        device.resized(request.sizeBytes);
        // The rest of what was its last block goes as well: nobody could tell it from data of its own later.
        const restBytes = node.above === undefined ? unseenRestBytes(node) : 0;
        await device.cutOff({ from: request.sizeBytes, to: sizeBytes + restBytes });
      } else {
        await this.#clearLastBlock(node, request.sizeBytes);
      }
      await changeCatalogue(this.#service, request, (draft) => resize(draft, id, request.sizeBytes));
    } finally {
      device.resized();
    }
    this.#units.tell(node, 'capacity-changed');
    return node.vlun;
  }

  /** OperatorError, as the verbs of the steps give it. */
  async several(request: SeveralRequest): Promise<void> {
    this.rehearse(request, 0);
    const { catalogue } = this.#service.parts;
    const present = request.steps.flatMap((step) => {
      const vlun = 'name' in step ? catalogue.vlunNamed(step.name) : undefined;
      return vlun === undefined ? [] : [{ step, vlun, node: this.#lookup.node(vlun.id) }];
    });
    for (const { step, node } of present) {
      if (step.kind === 'grow') await this.#clearLastBlock(node, step.sizeBytes);
    }
    await changeCatalogue(this.#service, request, (draft) => this.#run(draft, request, 0));
    for (const { step, node, vlun } of present) {
      if (step.kind === 'grow') this.#units.ofVlun(node).device.resized();
      const { readOnly, writeCache, sizeBytes, iopsMax, throughputMaxBytes } = node.vlun;
      if (step.kind === 'grow' && sizeBytes !== vlun.sizeBytes) this.#units.tell(node, 'capacity-changed');
      const mode = readOnly !== vlun.readOnly || writeCache !== vlun.writeCache;
      if (step.kind === 'set' && mode) this.#units.tell(node, 'mode-changed');
      const limits = iopsMax !== vlun.iopsMax || throughputMaxBytes !== vlun.throughputMaxBytes;
      if (step.kind === 'set' && limits) this.#units.tell(node, 'limits-changed');
    }
    this.#service.space.watch();
    this.#service.reclaimer.wake();
  }

  /** Refuses what `several` would refuse, were the data space so much larger; changes nothing. */
  rehearse(request: SeveralRequest, growBlocks: number): void {
    this.#service.gate.check();
    checkDocuments(request.documents);
    this.#run(new Draft(this.#service.parts.catalogue), request, growBlocks);
  }

  #run(draft: Draft, request: SeveralRequest, growBlocks: number): void {
    const { parts, space } = this.#service;
    const unitDocuments = [...parts.catalogue.documents.keys()].filter((name) =>
      name.startsWith(UNIT_DOCUMENT_PREFIX),
    );
    runSteps(draft, request, { nowMs: parts.environment.nowMs(), unitDocuments });
    space.refuseOvercommit(draft, growBlocks);
  }

  /** Whether an image stores nothing. */
  readonly isEmpty = (image: number): boolean => {
    return this.#service.parts.tables.imageStats(image).entries === 0;
  };

  /**
   * Before a VLUN grows: what nobody sees past the end of the one at the top of its family is cleared, and of
   * it and those between what is left over there.
   */
  async #clearLastBlock(node: VlunNode, newSizeBytes: number): Promise<void> {
    for (let one: VlunNode | undefined = node; one !== undefined; one = one.above)
      if (newSizeBytes > one.sizeBytes) await this.#clearRest(one);
  }

  async #clearRest(node: VlunNode): Promise<void> {
    const { sizeBytes } = node;
    const restBytes = unseenRestBytes(node);
    if (restBytes === 0) return;
    const { device } = this.#units.ofVlun(node);
    await device.cutOff({ from: sizeBytes, to: sizeBytes + restBytes }, () =>
      growingWouldShow(this.#service.parts.tables, node),
    );
  }

  /** A verb that gives a VLUN other contents of this size: no command of its family runs across it. */
  async #replacing<T>(
    node: VlunNode,
    contents: WithDocuments & { readonly sizeBytes: number },
    verb: (draft: Draft) => T,
  ): Promise<T> {
    const { structure, flusher, gate } = this.#service;
    gate.check();
    const both = withDocuments(contents, verb);
    const { device } = this.#units.ofVlun(node);
    try {
      device.resized(Math.min(contents.sizeBytes, node.sizeBytes));
      const { result } = await device.alone(() => structure.record(both));
      device.resized();
      await flusher.flush();
      return result;
    } finally {
      device.resized();
    }
  }

  #tell(id: number, fact: UnitFact): void {
    const node = this.#service.parts.views.node(id);
    if (node !== undefined) this.#units.tell(node, fact);
  }
}
