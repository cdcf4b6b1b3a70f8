type Place<Item> = { item: Item; index: number };

/**
 * What is there at the moment, in no order. A Set would say the same, but one whose few members change all the time replaces its
 * table every few changes, and V8 has each table refer to the next: once one of them is old, everything that was ever listed
 * since lives until old objects are collected.
 */
export class Roster<Item> {
  readonly #places: Place<Item>[] = [];

  get size(): number {
    return this.#places.length;
  }

  /** Returns what takes the item out again. */
  add(item: Item): () => void {
    const place: Place<Item> = { item, index: this.#places.length };
    this.#places.push(place);
    return () => this.#remove(place);
  }

  *[Symbol.iterator](): Generator<Item, void, undefined> {
    for (const { item } of [...this.#places]) yield item;
  }

  /** The last one takes the place of the one that leaves. */
  #remove(place: Place<Item>): void {
    if (this.#places[place.index] !== place) return;
    const last = this.#places.pop();
    if (last === undefined || last === place) return;
    this.#places[place.index] = last;
    last.index = place.index;
  }
}
