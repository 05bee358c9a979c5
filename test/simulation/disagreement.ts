/** The pool did something else than the model: what a simulation is run to find. */
export class Disagreement extends Error {
  override readonly name = 'Disagreement';
}
