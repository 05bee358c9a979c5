/** Names in the catalogue lead to what bears them now, however one record gives them away and takes them. */
import { expect, test } from 'vitest';
import { Catalogue, Draft, type SnapshotObject, type VlunObject } from '../../../snapshot/catalogue.ts';

function vlun(id: number, name: string): VlunObject {
  const modes = { readOnly: false, removable: false, writeCache: true };
  return { ...modes, id, name, identity: id, sizeBytes: 4096, blockBytes: 512, createdAtMs: 0, live: id };
}

function snapshot(id: number, of: number, name: string): SnapshotObject {
  return { id, vlun: of, name, image: 1, identity: id, sizeBytes: 4096, blockBytes: 512, createdAtMs: 0 };
}

test.each([
  [
    [1, vlun(1, 'b')],
    [2, vlun(2, 'a')],
  ],
  [
    [2, vlun(2, 'a')],
    [1, vlun(1, 'b')],
  ],
] as const)('two VLUNs change their names with each other in one record, in either order', (...changes) => {
  const catalogue = new Catalogue();
  catalogue.restore('vlun', 1, vlun(1, 'a'));
  catalogue.restore('vlun', 2, vlun(2, 'b'));
  catalogue.apply({ vluns: changes });
  expect(catalogue.vlunNamed('a')?.id).toBe(2);
  expect(catalogue.vlunNamed('b')?.id).toBe(1);
  catalogue.apply({ vluns: [[2, null]] });
  expect(catalogue.vlunNamed('a')).toBeUndefined();
  expect(catalogue.vlunNamed('b')?.id).toBe(1);
});

test('a draft knows the names it has given, changed and taken, and leaves the catalogue alone', () => {
  const catalogue = new Catalogue();
  catalogue.apply({ vluns: [[1, vlun(1, 'a')]], snapshots: [[5, snapshot(5, 1, 's')]] });
  const draft = new Draft(catalogue);
  draft.putVlun(vlun(1, 'renamed'));
  draft.removeSnapshot(5);
  expect(draft.vlunNamed('a')).toBeUndefined();
  expect(draft.vlunNamed('renamed')?.id).toBe(1);
  expect(draft.snapshotNamed(1, 's')).toBeUndefined();
  draft.putSnapshot(snapshot(6, 1, 's'));
  expect(draft.snapshotNamed(1, 's')?.id).toBe(6);
  expect(draft.snapshotNamed(2, 's')).toBeUndefined();
  expect(catalogue.vlunNamed('a')?.id).toBe(1);
  expect(catalogue.snapshotNamed(1, 's')?.id).toBe(5);
  catalogue.apply(draft.change());
  expect(catalogue.snapshotNamed(1, 's')?.id).toBe(6);
  expect(catalogue.vlunNamed('a')).toBeUndefined();
});
