/**
 * Shows that usage counts what a unit reads through, and as exclusive what nobody else reads: compared with a
 * count over the layers of every VLUN and snapshot, for random families.
 */
import { expect, test } from 'vitest';
import { Catalogue, Draft } from '../../../snapshot/catalogue.ts';
import { detach, freeze, imageOver, layersOfImage, layersOfVlun } from '../../../snapshot/layers.ts';
import type { TableStore } from '../../../snapshot/table-store.ts';
import { UsageAccount } from '../../../snapshot/usage.ts';
import { type View, Views } from '../../../snapshot/views.ts';
import { type Random, seededRandom } from '../../support/random.ts';

function family(random: Random): Catalogue {
  const catalogue = new Catalogue();
  const draft = new Draft(catalogue);
  const add = (live: number, tracks?: number): void => {
    const id = draft.next('vlun');
    const fixed = { sizeBytes: 4096, blockBytes: 512 as const, readOnly: false, removable: false };
    const named = { id, name: `v${id}`, identity: id, writeCache: true, createdAtMs: 0, live };
    draft.putVlun({ ...fixed, ...named, ...(tracks !== undefined && { tracks }) });
  };
  const addEmpty = (tracks?: number): void => {
    const id = draft.next('image');
    draft.putImage({ id, frozen: false });
    add(id, tracks);
  };
  addEmpty();
  for (let step = 0; step < 40; step += 1) {
    const vlun = random.pick(draft.vluns());
    const act = random.below(5);
    if (act === 0) addEmpty(random.chance(0.7) ? vlun.id : undefined);
    else if (act === 1 && vlun.tracks !== undefined) detach(draft, [vlun.id]);
    else if (act === 2 && draft.snapshots().length > 0) {
      const image = imageOver(draft, random.pick(draft.snapshots()).image, 4096);
      draft.putImage(image);
      add(image.id);
    } else {
      const image = freeze(draft, [vlun.id]).get(vlun.id) as number;
      const id = draft.next('snapshot');
      const fixed = { sizeBytes: 4096, blockBytes: 512 as const, identity: 100 + id, createdAtMs: 0 };
      draft.putSnapshot({ ...fixed, id, vlun: vlun.id, name: `s${id}`, image });
    }
  }
  catalogue.apply(draft.change());
  return catalogue;
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('of a random family (seed %i)', (seed) => {
  const catalogue = family(seededRandom(seed));
  const source = {
    vlun: (id: number) => catalogue.vluns.get(id),
    image: (id: number) => catalogue.images.get(id),
  };
  // Every image holds as many blocks as its number says.
  const tables = { imageStats: (image: number) => ({ entries: image, data: image }) } as TableStore;
  const views = new Views(catalogue, () => undefined);
  views.load();
  const lists = new Map<View, readonly number[]>();
  for (const node of views.nodes) lists.set(node, [...layersOfVlun(source, node.id).images]);
  for (const { id, image } of catalogue.snapshots.values()) {
    lists.set(views.snapshot(id), [...layersOfImage(source, image).images]);
  }
  const usage = new UsageAccount({ tables, catalogue });
  for (const [view, images] of lists) {
    const sum = (some: readonly number[]): number => some.reduce((blocks, image) => blocks + image * 4096, 0);
    const others = new Set([...lists].flatMap(([other, list]) => (other === view ? [] : list)));
    expect(usage.of(view)).toEqual({
      usedBytes: sum(images),
      exclusiveBytes: sum(images.filter((image) => !others.has(image))),
    });
  }
});
