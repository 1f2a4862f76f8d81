/** Other colourings of a photo, each coherent in itself: colornet/inference/variants.py. */

import { plant } from "./input.js";
import { colours, confidence } from "./steering.js";

const SEEDS = 4; // places whose colours make a version
const HELD = 8; // places that keep their colour,
const HELD_APART = 8; // and their least distance
const STRIDE = 4; // pixels of the network's input to a side of a place

/** Numbers from 0 to 1, fixed by a seed (mulberry32); not those of numpy, which Python draws. */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws an index by weights. */
function draw(weights, next) {
  let left = next() * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found < 0 ? weights.length - 1 : found;
}

/** The surest places, apart from each other. */
function surest(sure, width) {
  sure = sure.slice();
  return Array.from({ length: HELD }, () => {
    const place = sure.reduce((best, value, i) => (value > sure[best] ? i : best), 0);
    const found = sure[place] < 0 ? null : place;
    const [row, column] = [Math.floor(place / width), place % width];
    sure.forEach((_, i) => {
      const away = Math.max(Math.abs(Math.floor(i / width) - row), Math.abs((i % width) - column));
      if (away <= HELD_APART) sure[i] = -1;
    });
    return found;
  }).filter((place) => place !== null);
}

/**
 * The logits of another version: colours drawn at doubtful places are told to the network as hints.
 * @param {(x: Float32Array, size: Size) => Promise<Float32Array>} run  the network
 * @param {{x: Float32Array, size: import("./input.js").Size}} input  L, and hints of a person
 * @param {Float32Array} logits  the answer to it
 * @param {number} number  of the version, from 1
 * @param {import("./steering.js").Bins} bins
 */
export async function version(run, input, logits, number, bins) {
  const { size } = input;
  const x = input.x.slice();
  const [width, count] = [size.width / STRIDE, bins.centres.length];
  const next = random(number);
  const middle = (place) =>
    [Math.floor(place / width), place % width].map((line) => line * STRIDE + STRIDE / 2);
  const taken = (place) => {
    const [row, column] = middle(place);
    return x[4 * (row * size.width + column) + 3] > 0;
  };
  const [mean] = colours(logits, [0], bins);
  for (const place of surest(confidence(logits, count), width)) {
    if (!taken(place)) plant(x, size, ...middle(place), mean.subarray(2 * place, 2 * place + 2));
  }
  for (let seed = 0; seed < SEEDS; seed++) {
    const doubt = confidence(logits, count).map((sure, place) =>
      (taken(place) ? 0 : (1 - sure) ** 2) + 1e-9);
    const place = draw(doubt, next);
    const here = logits.subarray(place * count, (place + 1) * count);
    const most = Math.max(...here);
    plant(x, size, ...middle(place), bins.centres[draw(here.map((v) => Math.exp(v - most)), next)]);
    logits = await run(x, size);
  }
  return logits;
}
