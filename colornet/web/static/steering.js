/** From a distribution of colours to colours: colornet/inference/steering.py and palette.py. */

import { rgbToLab } from "./color.js";

const TEMPERATURE = 0.38; // of the vivid end
export const LEVELS = [0, 0.25, 0.5, 0.75, 1]; // vividness
const LIKELY = 6; // colours of each place,
const APART = 15; // ab units from each other
const PALETTE = { hold: 0.8, grey: 2, iterations: 50, least: 1e-4, sigma: 5 };

/**
 * @typedef {{centres: number[][], prior: number[]}} Bins  ab of each, and how often it is seen
 * @typedef {import("./input.js").Size} Size
 */

/** The sum of exp(scores) is brought to 1; what is next to nothing becomes 0. */
function softmax(scores, out) {
  let [most, sum] = [-Infinity, 0];
  for (let i = 0; i < out.length; i++) most = Math.max(most, scores[i]);
  for (let i = 0; i < out.length; i++) {
    out[i] = scores[i] < most - 30 ? 0 : Math.exp(scores[i] - most);
    sum += out[i];
  }
  for (let i = 0; i < out.length; i++) out[i] /= sum;
  return out;
}

/** Calls `work` with the number and the logits of each place. */
function places(logits, count, work) {
  for (let at = 0; at < logits.length; at += count) work(at / count, logits.subarray(at, at + count));
}

/** How much hints change each place: the total variation distance, squared. */
function change(logits, unhinted, count) {
  const out = new Float32Array(logits.length / count);
  const [told, own] = [new Float32Array(count), new Float32Array(count)];
  places(logits, count, (place, scores) => {
    softmax(scores, told);
    softmax(unhinted.subarray(place * count, (place + 1) * count), own);
    let distance = 0;
    for (let i = 0; i < count; i++) distance += Math.abs(told[i] - own[i]) / 2;
    out[place] = distance ** 2;
  });
  return out;
}

/**
 * One colour for each place, at some vividnesses.
 * @param {Float32Array} logits  (h * w * bins)
 * @param {number[]} levels  0 to 1
 * @param {Bins} bins
 * @param {Float32Array|null} unhinted  the logits without hints, where there are some
 * @returns {Float32Array[]} one a level, ab in Lab units (h * w * 2)
 */
export function colours(logits, levels, { centres, prior }, unhinted = null) {
  const count = centres.length;
  const rare = prior.map((share) => 1 / (share / 2 + 0.5 / count));
  const mean = rare.reduce((sum, weight, i) => sum + weight * prior[i], 0);
  const weights = rare.map((weight) => Math.log(weight / mean));
  const changed = unhinted && change(logits, unhinted, count);
  const [scores, chances] = [new Float32Array(count), new Float32Array(count)];
  return levels.map((vividness) => {
    const gain = TEMPERATURE ** -vividness;
    const ab = new Float32Array((2 * logits.length) / count);
    places(logits, count, (place, told) => {
      for (let i = 0; i < count; i++) {
        const own = unhinted ? unhinted[place * count + i] : told[i];
        scores[i] = gain * (own + vividness * weights[i]);
        if (unhinted) scores[i] += (1 + (gain - 1) * changed[place]) * (told[i] - own);
      }
      softmax(scores, chances);
      let [a, b] = [0, 0];
      for (let i = 0; i < count; i++) {
        a += chances[i] * centres[i][0];
        b += chances[i] * centres[i][1];
      }
      ab.set([a, b], 2 * place);
    });
    return ab;
  });
}

/** How sure the network is of each place: 0 to 1. @returns {Float32Array} (h * w) */
export function confidence(logits, count) {
  const out = new Float32Array(logits.length / count);
  const chances = new Float32Array(count);
  places(logits, count, (place, scores) => {
    let entropy = 0;
    for (const chance of softmax(scores, chances)) if (chance) entropy -= chance * Math.log(chance);
    out[place] = 1 - entropy / Math.log(count);
  });
  return out;
}

/** The likeliest colours of each place, unlike each other. @returns {Float32Array} (h * w * 6 * 2) */
export function likely(logits, { centres }) {
  const count = centres.length;
  const near = centres.map(([a, b]) => // which are named together with a colour
    centres.flatMap((other, i) => (Math.hypot(other[0] - a, other[1] - b) > APART ? [] : [i])));
  const out = new Float32Array((2 * LIKELY * logits.length) / count).fill(NaN);
  const left = new Float32Array(count);
  places(logits, count, (place, scores) => {
    left.set(scores);
    for (let k = 0; k < LIKELY; k++) {
      let best = 0;
      for (let i = 1; i < count; i++) if (left[i] > left[best]) best = i;
      if (left[best] === -Infinity) break;
      out.set(centres[best], 2 * (LIKELY * place + k));
      for (const i of near[best]) left[i] = -Infinity;
    }
  });
  return out;
}

/**
 * How much of what hints change is taken at each place.
 * @param {{x:number, y:number, reach:number}[]} hints @param {Size} photo @param {Size} grid
 */
export function spread(hints, photo, grid) {
  const longer = Math.max(photo.width, photo.height);
  return Float32Array.from({ length: grid.width * grid.height }, (_, place) => {
    const x = (((place % grid.width) + 0.5) * photo.width) / grid.width;
    const y = ((Math.floor(place / grid.width) + 0.5) * photo.height) / grid.height;
    return Math.max(...hints.map((hint) =>
      Math.exp(-((Math.hypot(x - hint.x, y - hint.y) / longer / hint.reach) ** 2))));
  });
}

/** Takes values of `told` in place of `bare`, which are changed, by the share of each place. */
export function mix(bare, told, shares) {
  const count = bare.length / shares.length;
  bare.forEach((own, at) => (bare[at] = own + shares[Math.floor(at / count)] * (told[at] - own)));
  return bare;
}

/**
 * How much of each colour a photo has.
 * @param {Uint8ClampedArray} rgb  at a small size @param {Bins} bins
 * @returns {Float32Array} shares of the bins
 */
export function palette(rgb, { centres }) {
  const shares = new Float32Array(centres.length).fill(PALETTE.least);
  const chances = new Float32Array(centres.length);
  const colour = (at) => rgbToLab([...rgb.subarray(at, at + 3)].map((v) => v / 255)).slice(1);
  let chroma = 0;
  for (let at = 0; at < rgb.length; at += 3) {
    const ab = colour(at);
    chroma += (3 * Math.hypot(...ab)) / rgb.length;
    softmax(centres.map(([a, b]) =>
      (a * ab[0] + b * ab[1] - (a * a + b * b) / 2) / PALETTE.sigma ** 2), chances);
    chances.forEach((chance, i) => (shares[i] += (3 * chance) / rgb.length));
  }
  if (chroma < PALETTE.grey) throw new Error("The other photo is grey; choose one in colour.");
  const sum = shares.reduce((a, b) => a + b);
  return shares.map((share) => share / sum);
}

/** Logits moved so that the photo's colours come near to a palette: Sinkhorn's iterations. */
export function transport(logits, shares) {
  const count = shares.length;
  const chances = new Float32Array(logits.length);
  places(logits, count, (place, scores) => {
    softmax(scores, chances.subarray(place * count, (place + 1) * count));
  });
  const gain = new Float32Array(count).fill(1);
  for (let turn = 0; turn < PALETTE.iterations; turn++) {
    const taken = new Float64Array(count);
    places(chances, count, (_, here) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += here[i] * gain[i];
      for (let i = 0; i < count; i++) taken[i] += here[i] / sum;
    });
    for (let i = 0; i < count; i++) {
      gain[i] = ((shares[i] * logits.length) / count / taken[i]) ** PALETTE.hold;
    }
  }
  return logits.map((score, at) => score + Math.log(gain[at % count]));
}
