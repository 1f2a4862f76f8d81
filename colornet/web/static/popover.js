/** The popover beside a place: which colour is it, and how far does it spread? */

import { hexToLab, labToHex } from "./color.js";
import { remember, remembered } from "./store.js";
import { colourName, colourNames, fill, words } from "./words.js";

const SKINS = ["#f2cdbd", "#eac3a0", "#dfb27c", "#c68d5c", "#97603c", "#6a4029"];
const RECENT = 6, NEAREST = 0.03, STEPS = 10;
/** The furthest reach that is not everything: about one thing. Share of the longer side. */
export const FURTHEST = 0.5;
const get = (id) => document.getElementById(id);

/** The reach of a step of the slider, null at its far end. */
const reachOf = (step) => (step >= STEPS ? null : NEAREST * (FURTHEST / NEAREST) ** (step / (STEPS - 1)));
const stepOf = (reach) =>
  reach === null ? STEPS : Math.round(((STEPS - 1) * Math.log(reach / NEAREST)) / Math.log(FURTHEST / NEAREST));

export class Popover {
  recent = remembered("recent", []);

  /** @param {{choose(colour:string):void, reach(reach:number|null):void, remove():void, dropper():void, elsewhere():void, closed():void}} on */
  constructor(on) {
    this.root = get("popover");
    this.on = on;
    get("any").addEventListener("change", (event) => this.choose(event.target.value));
    get("reach").addEventListener("input", () => this.spread());
    get("reach").addEventListener("change", () => on.reach(reachOf(+get("reach").value)));
    get("delete").addEventListener("click", () => on.remove());
    get("dropper").addEventListener("click", () => on.dropper());
    get("elsewhere").addEventListener("click", () => on.elsewhere());
    get("done").addEventListener("click", () => this.close());
    this.root.addEventListener("toggle", (event) => {
      if (event.newState === "open") return;
      this.root.parentElement.style.translate = "";
      on.closed();
    });
  }

  /**
   * @param {{L:number, likely:number[][], color:string|null, reach:number|null}} place  L of the photo
   *   there, the ab that are likely, and what is told already
   * @param {{x:number, y:number}} spot  px of the window
   */
  open(place, spot) {
    this.place = place;
    const shown = place.likely.map((ab) => labToHex(place.L, ab));
    this.swatches(get("likely"), shown, colourNames(shown.map(hexToLab)));
    const recent = this.recent.map(hexToLab);
    this.swatches(get("recent"), this.recent, colourNames(recent));
    this.swatches(get("skin"), SKINS, words.skins);
    get("delete").disabled = !place.color;
    get("reach").value = stepOf(place.reach);
    get("asked").textContent = place.color ? fill(words.now, { name: colourName(hexToLab(place.color)) }) : words.asked;
    if (place.color) get("any").value = place.color;
    this.spread();
    if (!this.root.matches(":popover-open")) this.root.showPopover();
    (this.root.querySelector("[aria-pressed=true]") ?? this.root.querySelector("button")).focus({ preventScroll: true });
    this.beside(spot);
  }

  close() {
    if (this.root.matches(":popover-open")) this.root.hidePopover();
  }

  /** Puts it beside the place; on a narrow screen at the bottom, and the photo above it. */
  beside(spot) {
    const { offsetWidth: width, offsetHeight: height } = this.root, gap = 28, page = this.root.parentElement;
    page.style.translate = width < innerWidth - gap ? "" : `0 ${Math.min(0, innerHeight - height - 2 * gap - spot.y)}px`;
    const right = spot.x + gap + width < innerWidth;
    this.root.style.left = `${right ? spot.x + gap : Math.max(8, spot.x - gap - width)}px`;
    this.root.style.top = `${Math.max(8, Math.min(spot.y - height / 2, innerHeight - height - 8))}px`;
  }

  spread() {
    const reach = reachOf(+get("reach").value);
    get("reach").setAttribute("aria-valuetext", reach === null ? words.far : fill(words.spread, { n: Math.round(100 * reach) }));
  }

  swatches(row, colours, names) {
    row.previousElementSibling.hidden = !colours.length;
    row.replaceChildren(...colours.map((colour, i) => {
      const button = document.createElement("button"), chip = document.createElement("span");
      chip.style.background = colour;
      button.append(chip, names[i]);
      button.setAttribute("aria-pressed", colour === this.place.color);
      button.addEventListener("click", () => this.choose(colour));
      return button;
    }));
  }

  /** Takes a colour; the photo keeps its own lightness. @param {string} colour */
  choose(colour) {
    this.recent = [colour, ...this.recent.filter((one) => one !== colour)].slice(0, RECENT);
    remember("recent", this.recent);
    this.on.choose(colour);
  }
}
