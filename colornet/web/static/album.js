/** The photos of a visitor: each is asked for its colours in turn, and has a thumbnail. */

import { Composer } from "./composer.js";
import { History } from "./history.js";
import { isFilm } from "./films.js";
import { words } from "./words.js";

const SIDE = 256; // px of a thumbnail's longer side
const MOST = 20; // hints that are looked for in other photos, the last ones
const canvas = new OffscreenCanvas(1, 1);
let composer;

/** Paints a small picture in the colours of an answer onto a canvas. */
export function paint(target, small, answer, vividness) {
  composer ??= new Composer(canvas);
  composer.setPicture(small);
  if (answer) composer.setAnswer(answer);
  composer.draw(answer ? vividness : null);
  Object.assign(target, { width: small.width, height: small.height });
  target.getContext("2d").drawImage(canvas, 0, 0);
}

/**
 * @typedef {{id:number, file:File, film:boolean, history:History, state:string, small:ImageBitmap,
 *   picture:object, answer:object, error:string, button:HTMLButtonElement}} Item
 *   state: waiting, working, ready, stopped, failed
 */
export class Album {
  /** @type {Item[]} */
  items = [];
  /** @type {Item|null} */
  current = null;

  /**
   * @param {HTMLElement} list  where the thumbnails go
   * @param {object} engine
   * @param {{changed(item:Item, what:string):void, chosen(item:Item):void}} on  what: picture, answer, state
   */
  constructor(list, engine, on) {
    Object.assign(this, { list, engine, on });
  }

  /** @returns {Item} */
  add(file, id, wishes = { now: { hints: [], version: 0, reference: null, mask: null, vividness: 0.6 } }) {
    const item = { id, file, film: isFilm(file), history: new History(wishes) };
    const place = document.createElement("li");
    item.button = document.createElement("button");
    item.button.append(document.createElement("canvas"));
    item.button.addEventListener("click", () => this.on.chosen(item));
    place.append(item.button);
    this.list.append(place);
    this.items.push(item);
    this.mark(item, item.film ? "ready" : "waiting");
    return item;
  }

  clear() {
    for (const item of this.items) item.work?.abort();
    this.items = [];
    this.list.replaceChildren();
  }

  mark(item, state) {
    item.state = state;
    item.button.dataset.state = state;
    const more = state === "ready" ? "" : `, ${words.states[state]}`;
    item.button.setAttribute("aria-label", item.file.name + more);
    item.button.title = item.file.name;
    this.on.changed(item, "state");
  }

  thumbnail(item) {
    if (!item.small) return;
    paint(item.button.firstChild, item.small, item.answer, item.live ?? item.history.now.vividness);
  }

  /** Colours what waits, one by one; what is on the screen first. */
  async fill() {
    if (this.filling) return;
    this.filling = true;
    const next = () => [this.current, ...this.items].find((item) => item?.state === "waiting");
    for (let item; (item = next()); ) await this.ask(item);
    this.filling = false;
  }

  cancel() {
    for (const item of this.items) {
      if (item.state === "working" && item !== this.current) item.work.abort();
      if (item.state === "waiting" || item.work?.signal.aborted) this.mark(item, "stopped");
    }
  }

  /** Asks for the colours that are wished now; an answer that is still awaited is let go. */
  async ask(item) {
    item.work?.abort();
    const work = (item.work = new AbortController()), { vividness, ...wish } = item.history.now;
    this.mark(item, "working");
    try {
      await this.open(item);
      const answer = await this.engine.answer(item.file, wish, work.signal);
      if (work.signal.aborted) return;
      item.answer = answer;
      if (!wish.hints.length || !item.likely) item.likely = answer.likely;
      this.thumbnail(item);
      this.mark(item, "ready");
      this.on.changed(item, "answer");
    } catch (error) {
      if (work.signal.aborted) return;
      item.error = error.message;
      this.mark(item, "failed");
    } finally {
      if (item !== this.current) this.close(item);
    }
  }

  /** Tells what was told in one photo in the others that show the same; how many do. */
  async tellAlike(item, onProgress, signal, keep) {
    const others = this.items.filter((one) => one !== item && !one.film);
    const hints = item.history.now.hints.slice(-MOST);
    let told = 0;
    for (const [i, one] of others.entries()) {
      onProgress(i + 1, others.length);
      const own = one.history.now.hints, more = await this.engine.alike(one.file, own, item.file, hints, signal);
      if (!more.length) continue;
      one.history.push({ hints: [...own, ...more.map(({ sure: _, ...hint }) => hint)] });
      keep(one);
      await this.ask(one);
      told += 1;
    }
    return told;
  }

  /** Reads the photo for the screen, mended where that is wished. */
  async open(item) {
    const { mask = null } = item.history.now;
    if (item.picture && item.picture.mask === mask) return;
    const picture = await this.engine.picture(item.file, mask);
    if (item.small && item.mask !== mask) item.small = null;
    this.close(item);
    item.mask = mask;
    item.picture = { ...picture, mask };
    const { bitmap, width, height } = item.picture;
    Object.assign(item, { width, height });
    const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
    const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    item.small ??= await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
    this.thumbnail(item);
    this.on.changed(item, "picture");
  }

  /** Frees the memory of a photo that is not on the screen; its thumbnail stays. */
  close(item) {
    item.picture?.bitmap.close();
    item.picture = null;
  }
}
