/** The photo on the screen: before and after, zoom and pan, a cursor for the keyboard. */

import { Composer } from "./composer.js";

const MOST = 12, STEP = 1.4; // zoom: the most of it, and of one press
const SLOP = 8; // px that a tap may move
const limit = (value, low, high) => Math.min(high, Math.max(low, value));
const get = (id) => document.getElementById(id);

export class Stage {
  zoom = 1;
  x = 0; // of the photo's left top corner, px from the stage's
  y = 0;
  split = 0; // how much of the photo in view is without colour, from the left
  bitmap = null;
  cursor = { x: 0.5, y: 0.5 }; // shares of the photo
  pointers = new Map();
  ontap = (x, y) => {}; // shares of the photo
  onmoved = () => {};
  oncursor = () => {};

  constructor() {
    this.view = get("view");
    this.canvas = get("colour");
    this.before = get("grey");
    this.composer = new Composer(this.canvas);
    this.handle = get("handle");
    this.listen();
  }

  /** Shows a photo, without colour at first. @param {ImageBitmap} bitmap @param {boolean} again  mended, in place */
  show(bitmap, again = false) {
    this.borrowed = false;
    this.composer.setPicture(bitmap);
    this.composer.draw(null);
    this.bare(this.canvas, bitmap);
    if (again) this.bitmap = bitmap;
    if (bitmap !== this.bitmap) Object.assign(this, { bitmap, zoom: 1, cursor: { x: 0.5, y: 0.5 } });
    this.fit();
  }

  /** Shows another photo as it is, for its colours to be taken. @param {ImageBitmap} bitmap */
  borrow(bitmap) {
    Object.assign(this, { bitmap, zoom: 1, borrowed: true });
    this.bare(bitmap, bitmap);
    this.fit();
  }

  bare(source, { width, height }) {
    Object.assign(this.before, { width, height });
    this.before.getContext("2d").drawImage(source, 0, 0, width, height);
  }

  /** The red, green and blue of a place, 0 to 255. @param {boolean} coloured  or without colour */
  pixel(x, y, coloured) {
    const [column, row] = [x * this.bitmap.width, y * this.bitmap.height].map(Math.floor);
    const dot = new OffscreenCanvas(1, 1).getContext("2d");
    const canvas = coloured && !this.borrowed ? this.canvas : this.before;
    dot.drawImage(canvas, column, row, 1, 1, 0, 0, 1, 1);
    return [...dot.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
  }

  get size() {
    return { width: this.width * this.zoom, height: this.height * this.zoom };
  }

  /** Fits the photo into the stage, with the zoom that there is. */
  fit() {
    if (!this.bitmap?.width) return; // none yet, or closed
    const { clientWidth, clientHeight } = this.view, { width, height } = this.bitmap;
    const scale = Math.min(clientWidth / width, clientHeight / height, 3);
    this.width = width * scale;
    this.height = height * scale;
    get("photo").style.width = `${this.width}px`;
    get("photo").style.height = `${this.height}px`;
    this.place();
  }

  /** Puts everything where zoom and pan have it. */
  place() {
    const { width, height } = this.size, { clientWidth, clientHeight } = this.view;
    const within = (at, side, room) => (side <= room ? (room - side) / 2 : limit(at, room - side, 0));
    this.x = within(this.x, width, clientWidth);
    this.y = within(this.y, height, clientHeight);
    get("photo").style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    const left = Math.max(0, this.x), right = Math.min(clientWidth, this.x + width);
    const at = left + (this.borrowed ? 1 : this.split) * (right - left);
    this.canvas.style.clipPath = `inset(0 0 0 ${(100 * (at - this.x)) / width}%)`;
    this.handle.style.left = `${at}px`;
    this.handle.style.top = `${Math.max(0, this.y)}px`;
    this.handle.style.height = `${Math.min(clientHeight, height)}px`;
    this.handle.setAttribute("aria-valuenow", Math.round(100 * this.split));
    this.view.classList.toggle("zoomed", this.zoom > 1);
    const spot = this.spot(this.cursor.x, this.cursor.y);
    get("cursor").style.transform = `translate(${spot.x}px, ${spot.y}px)`;
    this.onmoved();
  }

  /** Where a place of the photo is on the stage, px. @param {number} x @param {number} y  shares */
  spot(x, y) {
    return { x: this.x + x * this.size.width, y: this.y + y * this.size.height };
  }

  /** The place of the photo, as shares, at a point of the window; null outside. */
  at(clientX, clientY) {
    const box = this.view.getBoundingClientRect();
    const x = (clientX - box.left - this.x) / this.size.width;
    const y = (clientY - box.top - this.y) / this.size.height;
    return x >= 0 && y >= 0 && x < 1 && y < 1 ? { x, y } : null;
  }

  /** Zooms about a point of the stage; its middle where none is given. */
  zoomTo(zoom, x = this.view.clientWidth / 2, y = this.view.clientHeight / 2) {
    zoom = limit(zoom, 1, MOST);
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.place();
  }

  /** @param {number} split  0: all in colour, 1: all without */
  divide(split) {
    this.split = limit(split, 0, 1);
    this.place();
  }

  /** Lets the colours come in from the right, once. */
  reveal() {
    cancelAnimationFrame(this.frame);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.divide(0);
    const begun = performance.now();
    const step = (now) => {
      const share = limit((now - begun) / 900, 0, 1);
      this.divide((1 - share) ** 3);
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  /** Shows the photo without colour while held. @param {boolean} held */
  hold(held) {
    this.view.classList.toggle("held", held);
  }

  listen() {
    new ResizeObserver(() => this.fit()).observe(this.view);
    const { view, handle } = this;
    view.addEventListener("pointerdown", (event) => this.down(event));
    view.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel"]) {
      view.addEventListener(type, (event) => this.pointers.delete(event.pointerId));
    }
    view.addEventListener("click", (event) => {
      const place = this.bitmap && !this.pressed?.moved && this.at(event.clientX, event.clientY);
      if (place) this.ontap(place.x, place.y);
    });
    view.addEventListener("touchstart", (event) => {
      if (event.touches.length > 1) event.preventDefault(); // a pinch is for the photo
    }, { passive: false });
    view.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = view.getBoundingClientRect();
      const by = Math.exp(-limit(event.deltaY, -100, 100) / 300);
      this.zoomTo(this.zoom * by, event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    view.addEventListener("keydown", (event) => this.key(event));
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      cancelAnimationFrame(this.frame);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const left = Math.max(0, this.x), width = Math.min(view.clientWidth, this.size.width);
      this.divide((event.clientX - view.getBoundingClientRect().left - left) / width);
    });
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05, Home: -1, End: 1 };
      if (!(event.key in by)) return;
      event.preventDefault();
      this.divide(this.split + by[event.key]);
    });
  }

  down(event) {
    if (!this.bitmap || event.button) return;
    this.view.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 1) this.pressed = { event, moved: false };
  }

  move(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const [one, two] = this.pointers.values();
    if (two) {
      const other = last === one ? two : one, box = this.view.getBoundingClientRect();
      const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
      this.zoomTo(this.zoom * (apart(event) / Math.max(1, apart(last))),
        (event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top);
      this.pressed.moved = true;
    } else {
      const { event: from } = this.pressed;
      this.pressed.moved ||= Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > SLOP;
    }
    if (this.pressed.moved && this.zoom > 1) {
      const share = 1 / this.pointers.size;
      this.x += (event.clientX - last.clientX) * share;
      this.y += (event.clientY - last.clientY) * share;
      this.place();
    }
    this.pointers.set(event.pointerId, event);
  }

  key(event) {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!this.bitmap || event.ctrlKey || event.metaKey || event.altKey) return;
    if (by) {
      const step = (event.shiftKey ? 4 : 16) / this.zoom;
      this.cursor.x = limit(this.cursor.x + (by[0] * step) / this.width, 0, 0.999);
      this.cursor.y = limit(this.cursor.y + (by[1] * step) / this.height, 0, 0.999);
      const spot = this.spot(this.cursor.x, this.cursor.y), edge = 40;
      this.x += Math.max(0, edge - spot.x) - Math.max(0, spot.x - this.view.clientWidth + edge);
      this.y += Math.max(0, edge - spot.y) - Math.max(0, spot.y - this.view.clientHeight + edge);
      this.place();
      this.oncursor();
    } else if (event.key === "Enter" || event.key === " ") this.ontap(this.cursor.x, this.cursor.y);
    else return;
    event.preventDefault();
  }

  in = () => this.zoomTo(this.zoom * STEP);
  out = () => this.zoomTo(this.zoom / STEP);
}
