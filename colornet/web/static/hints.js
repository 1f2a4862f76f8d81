/** Markers of told colours on the photo: in screen pixels, filled with their colour, to drag and tap. */

import { hexToLab } from "./color.js";
import { colourName, fill, words } from "./words.js";

const SLOP = 5; // px that a tap may move

export class Markers {
  /**
   * @param {HTMLElement} root
   * @param {import("./stage.js").Stage} stage
   * @param {{open(index:number):void, move(index:number, x:number, y:number):void, remove(index:number):void}} on
   *   x, y: shares of the photo
   */
  constructor(root, stage, on) {
    Object.assign(this, { root, stage, on, places: [] });
  }

  /** @param {{x:number, y:number, color:string|null}[]} places  shares of the photo; no colour: asked */
  show(places) {
    while (this.root.children.length > places.length) this.root.lastChild.remove();
    while (this.root.children.length < places.length) this.root.append(this.make(this.root.children.length));
    places.forEach(({ color }, i) => {
      const button = this.root.children[i];
      button.style.setProperty("--colour", color ?? "transparent");
      button.classList.toggle("asked", !color);
      button.setAttribute("aria-label", color ? fill(words.marker, { name: colourName(hexToLab(color)) }) : words.popover);
    });
    this.places = places.map(({ x, y }) => ({ x, y }));
    this.put();
  }

  /** Puts the markers where the photo now is. */
  put() {
    this.places.forEach(({ x, y }, i) => {
      const spot = this.stage.spot(x, y);
      this.root.children[i].style.transform = `translate(${spot.x}px, ${spot.y}px)`;
    });
  }

  make(index) {
    const button = document.createElement("button");
    let from = null, moved = false;
    const shift = (x, y) => {
      const { width, height } = this.stage.size, place = this.places[index];
      place.x = Math.min(0.999, Math.max(0, place.x + x / width));
      place.y = Math.min(0.999, Math.max(0, place.y + y / height));
      this.put();
    };
    const settle = () => this.on.move(index, this.places[index].x, this.places[index].y);
    button.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      button.setPointerCapture(event.pointerId);
      from = event;
      moved = false;
    });
    button.addEventListener("pointermove", (event) => {
      if (!from) return;
      const x = event.clientX - from.clientX, y = event.clientY - from.clientY;
      if (!moved && Math.hypot(x, y) < SLOP) return;
      moved = true;
      from = event;
      shift(x, y);
    });
    const end = () => {
      from = null;
      if (moved) settle();
    };
    button.addEventListener("pointerup", end);
    button.addEventListener("pointercancel", end);
    button.addEventListener("click", () => {
      if (!moved) this.on.open(index);
      moved = false;
    });
    button.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
      if (event.key === "Delete" || event.key === "Backspace") this.on.remove(index);
      else if (by) shift(...by);
      else return;
      event.preventDefault();
    });
    button.addEventListener("keyup", (event) => event.key.startsWith("Arrow") && settle());
    return button;
  }
}
