/** The object with some of its members replaced. */
export function overriding<T extends object>(object: T, members: Partial<T>): T {
  return new Proxy(object, {
    get(target, key): unknown {
      if (key in members) return Reflect.get(members, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
