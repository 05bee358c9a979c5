/** A unit whose blocks are given back one step at a time, when the test says so. */
import { type Bench, type Initiator, ready } from '../harness.ts';

export interface Stepping extends Bench {
  readonly a: Initiator;
  step(): Promise<void>;
}

export async function stepping(capacityBlocks: number): Promise<Stepping> {
  const made = await ready({ capacityBlocks });
  const steps: (() => void)[] = [];
  const { unmap } = made.unit.device;
  made.unit.device.unmap = async (ranges, options) => {
    await new Promise<void>((go) => steps.push(go));
    return unmap.call(made.unit.device, ranges, options);
  };
  const step = async (): Promise<void> => {
    steps.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { ...made, step };
}
