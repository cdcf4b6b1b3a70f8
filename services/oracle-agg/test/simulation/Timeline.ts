type Entry = { atMs: bigint; order: number; work: () => void };

/** Virtual time: what is planned happens in order of time, and of planning when the time is the same. */
export class Timeline {
  nowMs: bigint;
  readonly #heap: Entry[] = [];
  #order = 0;

  constructor(startMs: bigint) {
    this.nowMs = startMs;
  }

  after(delayMs: bigint, work: () => void): void {
    this.at(this.nowMs + delayMs, work);
  }

  at(atMs: bigint, work: () => void): void {
    this.#order += 1;
    const heap = this.#heap;
    heap.push({ atMs: atMs < this.nowMs ? this.nowMs : atMs, order: this.#order, work });
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) break;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Runs everything up to a time, or until a condition holds. */
  run(untilMs: bigint, isDone: () => boolean = () => false): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      if (isDone()) return;
      this.#drop();
      this.nowMs = next.atMs;
      next.work();
    }
    if (!isDone()) this.nowMs = untilMs;
  }

  #drop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2])
        if (child < heap.length && this.#isBefore(child, least)) least = child;
      if (least === parent) return;
      this.#swap(parent, least);
      parent = least;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const [one, other] = [this.#heap[left], this.#heap[right]];
    if (one === undefined || other === undefined) return false;
    return one.atMs === other.atMs ? one.order < other.order : one.atMs < other.atMs;
  }

  #swap(left: number, right: number): void {
    const [one, other] = [this.#heap[left], this.#heap[right]];
    if (one === undefined || other === undefined) return;
    this.#heap[left] = other;
    this.#heap[right] = one;
  }
}
