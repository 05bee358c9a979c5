/**
 * Shows what VLUNs and frozen images read, as lists written by hand from SYSTEM P13: after each structural
 * change of a small family the order of its images is compared with the rule's words.
 */
import { describe, expect, test } from 'vitest';
import { Catalogue, Draft } from '../../../snapshot/catalogue.ts';
import {
  detach,
  dropUnread,
  freeze,
  imageOver,
  layersOfImage,
  layersOfVlun,
} from '../../../snapshot/layers.ts';

class Family {
  readonly catalogue = new Catalogue();

  change<T>(verb: (draft: Draft) => T): T {
    const draft = new Draft(this.catalogue);
    const result = verb(draft);
    this.catalogue.apply(draft.change());
    return result;
  }

  add(tracks?: number): number {
    return this.change((draft) => {
      const live = draft.next('image');
      draft.putImage({ id: live, frozen: false });
      const id = draft.next('vlun');
      draft.putVlun({
        id,
        name: `v${id}`,
        identity: id,
        sizeBytes: 8192,
        blockBytes: 512,
        readOnly: false,
        removable: false,
        writeCache: true,
        createdAtMs: 0,
        live,
        ...(tracks !== undefined && { tracks }),
      });
      return id;
    });
  }

  freeze(...vluns: number[]): Map<number, number> {
    return this.change((draft) => freeze(draft, vluns));
  }

  get source() {
    return {
      vlun: (id: number) => this.catalogue.vluns.get(id),
      image: (id: number) => this.catalogue.images.get(id),
    };
  }

  of(vlun: number): number[] {
    return [...layersOfVlun(this.source, vlun).images];
  }

  ofImage(image: number): number[] {
    return [...layersOfImage(this.source, image).images];
  }

  live(vlun: number): number {
    return this.catalogue.vluns.get(vlun)?.live as number;
  }
}

describe('layers', () => {
  test('a VLUN alone: its live image, then its frozen ones, newest first', () => {
    const family = new Family();
    const v1 = family.add();
    family.freeze(v1);
    family.freeze(v1);
    expect(family.of(v1)).toEqual([3, 2, 1]);
    expect(family.ofImage(2)).toEqual([2, 1]);
  });

  test('P3: a tracker reads its own, then all that the tracked VLUN reads, whatever is snapshotted there', () => {
    const family = new Family();
    const v1 = family.add();
    const v2 = family.add(v1);
    expect(family.of(v2)).toEqual([2, 1]);
    family.freeze(v1);
    expect(family.of(v2)).toEqual([2, 3, 1]);
  });

  test('P13: its own live entries, then what the one above wrote since, then its frozen base', () => {
    const family = new Family();
    const v1 = family.add();
    const v2 = family.add(v1);
    const frozen = family.freeze(v2);
    expect(frozen).toEqual(
      new Map([
        [v1, 1],
        [v2, 2],
      ]),
    );
    const [live1, live2] = [family.live(v1), family.live(v2)];
    expect(family.of(v2)).toEqual([live2, live1, 2, 1]);
    expect(family.ofImage(2)).toEqual([2, 1]);
    family.freeze(v1);
    expect(family.of(v2)).toEqual([live2, family.live(v1), live1, 2, 1]);
    const again = family.freeze(v2);
    const [newest1, newest2] = [family.live(v1), family.live(v2)];
    expect(family.of(v2)).toEqual([newest2, newest1, again.get(v2), again.get(v1), live1, 2, 1]);
  });

  test('P13 in a chain: everything above is frozen in the same record, each once', () => {
    const family = new Family();
    const v1 = family.add();
    const v2 = family.add(v1);
    const v3 = family.add(v2);
    const frozen = family.freeze(v3, v2);
    expect([...frozen.keys()].sort()).toEqual([v1, v2, v3]);
    const [live1, live2, live3] = [v1, v2, v3].map((id) => family.live(id));
    expect(family.of(v3)).toEqual([live3, live2, live1, 3, 2, 1]);
    family.freeze(v2);
    expect(family.of(v3)).toEqual([live3, family.live(v2), family.live(v1), live2, live1, 3, 2, 1]);
  });

  test('P12: a released VLUN reads what it read, and follows no more; those below follow it', () => {
    const family = new Family();
    const v1 = family.add();
    const v2 = family.add(v1);
    const v3 = family.add(v2);
    family.change((draft) => detach(draft, [v2]));
    expect(family.of(v2)).toEqual([family.live(v2), 2, 1]);
    expect(family.of(v3)).toEqual([family.live(v3), family.live(v2), 3, 2, 1]);
    const before = family.of(v2);
    family.freeze(v1);
    expect(family.of(v2)).toEqual(before);
  });

  test('what a released or cloned VLUN, and one that tracks it, stands over ends where it ends', () => {
    const family = new Family();
    const v1 = family.add();
    const v2 = family.add(v1);
    const v3 = family.add(v2);
    const frozen = family.freeze(v3);
    family.change((draft) => detach(draft, [v2]));
    const { images, ends } = layersOfVlun(family.source, v2);
    expect(ends?.length).toBe(images.length);
    expect(ends?.[0]).toBe(Number.POSITIVE_INFINITY);
    expect([...(ends ?? [])].slice(1).every((end) => end === 2)).toBe(true);
    const below = layersOfVlun(family.source, v3);
    const own = below.images.indexOf(family.live(v2)) + 1;
    expect([...(below.ends ?? [])].slice(own).every((end) => end === 2)).toBe(true);
    const clone = family.change((draft) => imageOver(draft, frozen.get(v2) as number, 4096));
    expect(clone.baseEnd).toBe(1);
    const plain = family.change((draft) => imageOver(draft, frozen.get(v1) as number, 4096));
    expect(plain.baseEnd).toBeUndefined();
  });

  test('images are dropped when nothing reads them, and not before', () => {
    const family = new Family();
    const v1 = family.add();
    const v2 = family.add(v1);
    const frozen = family.freeze(v2);
    family.change((draft) => {
      detach(draft, [v2]);
      draft.removeVlun(v1);
      const dropped = dropUnread(draft);
      expect(dropped).not.toContain(frozen.get(v1));
      expect(dropped).not.toContain(frozen.get(v2));
    });
    family.change((draft) => {
      draft.removeVlun(v2);
      dropUnread(draft);
    });
    expect([...family.catalogue.images.values()].every(({ dropped }) => dropped === true)).toBe(true);
  });
});
