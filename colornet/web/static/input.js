/** From a photo to what the network is given: colornet/inference/inputs.py, OpenCV's resizing. */

import { AB_SCALE, L_SCALE, lightness } from "./color.js";

const SHORT_SIDE = 256; // what the network was trained at
const LONG_SIDE = 1024;
const MULTIPLE = 32; // of which the network takes height and width
const SIDE = 7; // px of what the network sees, of the square patch of a hint
const STRIP = 1 << 20; // pixels read at a time

/**
 * @typedef {{width:number, height:number}} Size
 * @typedef {Size & {rows: (top:number, count:number) => Uint8ClampedArray}} Pixels  RGBA by rows
 */

const even = (value) => { // as Python rounds: a half to the even neighbour
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 ? near - 1 : near;
};

/** The size at which the network sees a photo. @param {Size} photo @returns {Size} */
export function workingSize(photo) {
  const scale = SHORT_SIDE / Math.min(photo.width, photo.height);
  const seen = (side) =>
    Math.min(LONG_SIDE, Math.max(MULTIPLE, even((side * scale) / MULTIPLE) * MULTIPLE));
  return { width: seen(photo.width), height: seen(photo.height) };
}

/** Which pixels make up the i-th of a resized line, and their weights. */
function taps(i, from, to, kind) {
  const scale = from / to;
  if (kind === "area") {
    const [start, end] = [i * scale, Math.min(from, (i + 1) * scale)];
    const first = Math.floor(start);
    const weights = Array.from({ length: Math.ceil(end) - first }, (_, k) =>
      (Math.min(end, first + k + 1) - Math.max(start, first + k)) / (end - start));
    return { first, weights };
  }
  if (kind === "linear") { // what OpenCV's INTER_AREA does where a side grows
    const first = Math.floor(i * scale);
    const share = Math.max(0, i + 1 - (first + 1) / scale) % 1;
    return { first, weights: [1 - share, share] };
  }
  const at = (i + 0.5) * scale - 0.5;
  const first = Math.floor(at) - 1;
  const weights = [0, 1, 2, 3].map((k) => { // Keys' cubic, a = -0.75
    const x = Math.abs(at - first - k);
    return x < 1 ? (1.25 * x - 2.25) * x * x + 1 : ((-0.75 * x + 3.75) * x - 6) * x + 3;
  });
  return { first, weights };
}

/** Resizes lines of pixels, the first of them number `top`, into columns of `out`. */
function squeeze(lines, channels, from, across, out, top, height) {
  const count = lines.length / channels / from;
  for (let line = 0; line < count; line++) {
    across.forEach(({ first, weights }, i) => {
      let [r, g, b] = [0, 0, 0];
      for (let k = 0; k < weights.length; k++) {
        const column = Math.min(from - 1, Math.max(0, first + k));
        const at = channels * (line * from + column);
        r += weights[k] * lines[at];
        g += weights[k] * lines[at + 1];
        b += weights[k] * lines[at + 2];
      }
      const at = 3 * (i * height + top + line);
      out[at] = r;
      out[at + 1] = g;
      out[at + 2] = b;
    });
  }
  return out;
}

/**
 * A photo at another size, as OpenCV resizes 8 bits.
 * @param {Pixels} photo @param {Size} size
 * @param {boolean} grows  cubic, where it is to grow
 * @returns {Uint8ClampedArray} RGB, (height * width * 3)
 */
export function resize(photo, { width, height }, grows = false) {
  const both = width <= photo.width && height <= photo.height;
  const kind = grows ? "cubic" : both ? "area" : "linear";
  const line = (from, to) => Array.from({ length: to }, (_, i) => taps(i, from, to, kind));
  const [across, down] = [line(photo.width, width), line(photo.height, height)];
  const turned = new Float32Array(3 * width * photo.height);
  const step = Math.max(1, Math.floor(STRIP / photo.width));
  for (let top = 0; top < photo.height; top += step) {
    const rows = photo.rows(top, Math.min(step, photo.height - top));
    squeeze(rows, 4, photo.width, across, turned, top, photo.height);
  }
  const out = new Uint8ClampedArray(3 * width * height);
  return squeeze(turned, 3, photo.height, down, out, 0, width);
}

/**
 * @param {Pixels} photo
 * @returns {{size: Size, x: Float32Array}} x: (h * w * 4), L as the network sees it, no hints
 */
export function networkInput(photo) {
  const size = workingSize(photo);
  const rgb = resize(photo, size, size.width * size.height > photo.width * photo.height);
  const x = new Float32Array(4 * size.width * size.height);
  for (let i = 0; i < x.length / 4; i++) {
    x[4 * i] = lightness(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]) / L_SCALE - 1;
  }
  return { size, x };
}

/** Writes a hint, a square patch of one colour, into a network's input. */
export function plant(x, size, row, column, ab) {
  const [top, left] = [row, column].map((at) => Math.max(0, at - (SIDE >> 1)));
  for (let y = top; y < Math.min(size.height, row - (SIDE >> 1) + SIDE); y++) {
    for (let at = left; at < Math.min(size.width, column - (SIDE >> 1) + SIDE); at++) {
      x.set([ab[0] / AB_SCALE, ab[1] / AB_SCALE, 1], 4 * (y * size.width + at) + 1);
    }
  }
}

/**
 * A copy of a network's input, with hints.
 * @param {{x:number, y:number, ab:number[]}[]} hints  in pixels of the photo
 * @param {Size} photo
 */
export function hinted({ size, x }, hints, photo) {
  const told = x.slice();
  for (const hint of hints) {
    if (!(hint.x >= 0 && hint.x < photo.width && hint.y >= 0 && hint.y < photo.height)) {
      throw new Error(`A colour at ${hint.x}, ${hint.y} lies outside the photo; take it away.`);
    }
    const row = Math.floor((hint.y * size.height) / photo.height);
    plant(told, size, row, Math.floor((hint.x * size.width) / photo.width), hint.ab);
  }
  return told;
}
