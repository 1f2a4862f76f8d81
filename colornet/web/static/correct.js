/** Correcting a colour: a place is tapped, the popover asks for its colour, a marker stays there. */

import { hexToLab, lightness } from "./color.js";
import { Markers } from "./hints.js";
import { banner, get, say, trying } from "./messages.js";
import { FURTHEST, Popover } from "./popover.js";
import { colourName, fill, words } from "./words.js";

const LIKELY = 6; // colours of each place of an answer

export class Correction {
  asked = null; // {x, y, index, reach}: the place (shares) that is asked about; index: of its hint, or null
  taking = null; // what a tap does while a colour is to be taken from a photo

  /**
   * @param {import("./stage.js").Stage} stage
   * @param {object} engine
   * @param {{item():import("./album.js").Item, wish(change:object):void, present():void, refresh():void}} desk
   */
  constructor(stage, engine, desk) {
    Object.assign(this, { stage, engine, desk });
    this.markers = new Markers(get("markers"), stage, {
      open: (index) => index < this.hints.length && this.ask(0, 0, index),
      move: (index, x, y) => this.change(index, this.pixels(x, y)),
      remove: (index) => this.remove(index),
    });
    this.popover = new Popover({
      choose: (color) => this.tell({ color }),
      reach: (reach) => (this.asked.index === null ? (this.asked.reach = reach) : this.tell({ reach })),
      remove: () => this.remove(this.asked.index),
      dropper: () => this.take(null),
      closed: () => ((this.asked = null), desk.refresh()),
    });
    stage.ontap = (x, y) => (this.taking ? this.taking(x, y) : this.ask(x, y));
    stage.onmoved = () => this.markers.put();
  }

  get hints() {
    return this.desk.item().history.now.hints;
  }

  pixels(x, y) {
    const { width, height } = this.desk.item();
    return { x: x * width, y: y * height };
  }

  /** Brings the markers up to date. */
  refresh() {
    const { width, height } = this.desk.item();
    if (!width || this.stage.borrowed) return this.markers.show([]);
    const places = this.hints.map(({ x, y, color }) => ({ x: x / width, y: y / height, color }));
    if (this.asked?.index === null) places.push({ ...this.asked, color: null });
    this.markers.show(places);
  }

  /** Asks for the colour of a place (shares), or of a hint that is there. */
  ask(x, y, index = null) {
    const item = this.desk.item(), { answer } = item;
    if (!answer || item.film || answer.levels.length === 1) return;
    const hint = index === null ? null : this.hints[index];
    if (hint) [x, y] = [hint.x / item.width, hint.y / item.height];
    this.asked = { x, y, index, reach: hint ? hint.reach : FURTHEST };
    const { width, height } = answer.grid, likely = [];
    const at = (Math.floor(y * height) * width + Math.floor(x * width)) * 2 * LIKELY;
    for (let i = at; i < at + 2 * LIKELY; i += 2) {
      if (!Number.isNaN(item.likely[i])) likely.push([...item.likely.subarray(i, i + 2)]);
    }
    const spot = this.stage.spot(x, y), box = this.stage.view.getBoundingClientRect();
    const place = { L: lightness(...this.stage.pixel(x, y, false)), likely, color: hint?.color ?? null, reach: this.asked.reach };
    this.popover.open(place, { x: box.left + spot.x, y: box.top + spot.y });
    this.desk.refresh();
  }

  change(index, change) {
    this.desk.wish({ hints: this.hints.map((hint, i) => (i === index ? { ...hint, ...change } : hint)) });
  }

  /** Tells the colour of the place asked about, or its reach. */
  tell(change) {
    const { x, y, reach } = this.asked;
    if (this.asked.index === null) this.desk.wish({ hints: [...this.hints, { ...this.pixels(x, y), reach, ...change }] });
    else this.change(this.asked.index, change);
    const index = this.asked.index ?? this.hints.length - 1;
    say(fill(words.told, { name: colourName(hexToLab(this.hints[index].color)) }));
    this.ask(x, y, index);
  }

  remove(index) {
    this.popover.close();
    this.desk.wish({ hints: this.hints.filter((_, i) => i !== index) });
    say(words.removed);
    this.stage.view.focus();
  }

  /** Lets the visitor take a colour from the photo, or from another. @param {File|null} file */
  async take(file) {
    const place = this.asked;
    this.popover.close();
    const other = file && (await trying(() => this.engine.picture(file)));
    if (file && !other) return;
    const end = () => {
      this.taking = null;
      if (other) this.desk.present();
      this.desk.refresh();
      this.ask(place.x, place.y, place.index);
    };
    this.taking = (x, y) => {
      const rgb = this.stage.pixel(x, y, true);
      end();
      this.popover.choose(`#${rgb.map((v) => v.toString(16).padStart(2, "0")).join("")}`);
    };
    if (other) this.stage.borrow(other.bitmap);
    this.desk.refresh();
    banner(words.take, words.cancel, end);
    this.stage.view.focus();
  }
}
