/** Repair before colouring: a switch, and in photos a brush for what is marked. The mask is a wish like others. */

import { get, say, trying } from "./messages.js";
import { fill, words } from "./words.js";

const RED = [255, 40, 40, 150]; // of marked places, with alpha
const WIDTH = 18; // px of the brush on the screen

export class Mending {
  brush = null; // "paint" or "erase" while one is held

  /**
   * @param {import("./stage.js").Stage} stage
   * @param {object} engine
   * @param {{item():import("./album.js").Item, wish(change:object):void, refresh():void}} desk
   */
  constructor(stage, engine, desk) {
    Object.assign(this, { stage, engine, desk, canvas: get("damage"), box: get("mend").firstChild });
    get("mend").hidden = !engine.repairs;
    this.box.addEventListener("change", () => this.turn(this.box.checked));
    for (const brush of ["paint", "erase"]) {
      get(brush).addEventListener("click", () => this.take(this.brush === brush ? null : brush));
    }
    const on = (type, act) => stage.view.addEventListener(type, (event) => {
      if (!this.brush) return;
      event.stopImmediatePropagation(); // no tap, no pan
      act(event);
    }, true);
    on("pointerdown", (event) => this.begin(event));
    on("pointermove", (event) => this.last && this.draw(event));
    on("pointerup", () => this.end());
    on("pointercancel", () => this.end());
    on("click", () => {});
  }

  get mask() {
    return this.desk.item()?.history.now.mask ?? null;
  }

  /** Brings switch, brushes and the red up to date. */
  refresh() {
    const mask = this.mask, item = this.desk.item();
    this.box.checked = !!mask || this.finding === item || !!item?.history.now.dust;
    this.box.disabled = item?.film ? item.state === "working" : !item?.answer || !!this.finding;
    get("brushes").hidden = !mask;
    if (!mask && this.brush) this.brush = null;
    for (const brush of ["paint", "erase"]) get(brush).setAttribute("aria-pressed", this.brush === brush);
    this.canvas.hidden = !this.brush;
    this.stage.view.classList.toggle("brush", !!this.brush);
    if (mask && this.shown !== mask) this.show(mask).then(() => this.desk.refresh());
  }

  /** Looks for damage, or leaves the photo as it is. */
  async turn(wanted) {
    const item = this.desk.item();
    if (item.film) return this.desk.wish({ dust: wanted });
    if (!wanted) return this.desk.wish({ mask: null });
    this.finding = item;
    say(words.finding);
    const mask = await trying(() => this.engine.damage(item.file));
    this.finding = null;
    if (mask && item === this.desk.item()) this.desk.wish({ mask });
    else this.desk.refresh();
  }

  /** What is to be done now, or null. */
  get hint() {
    if (this.desk.item().history.now.dust) return words.dust;
    if (this.brush) return words[this.brush === "paint" ? "painting" : "erasing"];
    return this.mask && this.share === 0 ? words.noDamage : null;
  }

  /** How much is repaired, in words. */
  get said() {
    return this.mask && this.share ? fill(words.mended, { n: +(100 * this.share).toPrecision(2) }) : "";
  }

  take(brush) {
    this.brush = brush;
    this.desk.refresh();
  }

  /** Shows a mask in red. @param {Blob} mask */
  async show(mask) {
    Object.assign(this, { shown: mask, share: null });
    const bitmap = await createImageBitmap(mask), { width, height } = bitmap;
    Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const image = context.getImageData(0, 0, width, height);
    let marked = 0;
    for (let i = 0; i < image.data.length; i += 4) {
      const white = image.data[i] > 127;
      marked += white;
      image.data.set(white ? RED : [0, 0, 0, 0], i);
    }
    context.putImageData(image, 0, 0);
    this.share = marked / (width * height);
  }

  /** A place of the mask under the pointer, pixels. */
  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect(), scale = this.canvas.width / box.width;
    return { x: (clientX - box.left) * scale, y: (clientY - box.top) * scale, width: WIDTH * scale };
  }

  begin(event) {
    if (event.button) return;
    this.stage.view.setPointerCapture(event.pointerId);
    this.last = this.place(event);
    this.draw(event);
  }

  draw(event) {
    const context = this.canvas.getContext("2d"), at = this.place(event);
    context.globalCompositeOperation = "destination-out"; // red once, however often painted
    for (const again of this.brush === "paint" ? [false, true] : [false]) {
      if (again) context.globalCompositeOperation = "source-over";
      Object.assign(context, { lineWidth: at.width, lineCap: "round" });
      context.strokeStyle = again ? `rgba(${RED.slice(0, 3)} / ${RED[3] / 255})` : "#000";
      context.beginPath();
      context.moveTo(this.last.x, this.last.y);
      context.lineTo(at.x, at.y);
      context.stroke();
    }
    this.last = at;
  }

  /** What is red is the new mask. */
  async end() {
    if (!this.last) return;
    this.last = null;
    const { width, height } = this.canvas, item = this.desk.item();
    const image = this.canvas.getContext("2d").getImageData(0, 0, width, height);
    let marked = 0;
    for (let i = 0; i < image.data.length; i += 4) {
      const level = image.data[i + 3] > RED[3] / 2 ? 255 : 0;
      marked += level / 255;
      image.data.set([level, level, level, 255], i);
    }
    const mask = new OffscreenCanvas(width, height);
    mask.getContext("2d").putImageData(image, 0, 0);
    const blob = await mask.convertToBlob({ type: "image/png" });
    if (item !== this.desk.item()) return;
    Object.assign(this, { shown: blob, share: marked / (width * height) });
    this.desk.wish({ mask: blob });
  }
}
