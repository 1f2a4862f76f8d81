/** What a person wished for a photo, step by step: undo and redo. */
export class History {
  /** @param {{past:object[], now:object, future:object[]}} kept  as `kept` gave it */
  constructor({ past = [], now, future = [] }) {
    Object.assign(this, { past, now, future });
  }

  /** A new wish: what was undone before is gone. */
  push(change) {
    this.past.push(this.now);
    this.now = { ...this.now, ...change };
    this.future = [];
  }

  undo() {
    if (this.past.length) this.future.push(this.now), (this.now = this.past.pop());
  }

  redo() {
    if (this.future.length) this.past.push(this.now), (this.now = this.future.pop());
  }

  get kept() {
    return { past: this.past, now: this.now, future: this.future };
  }
}
