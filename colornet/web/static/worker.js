/**
 * The work of engine_browser.js, in a thread of its own. A classic worker, no module: LiteRT.js
 * brings its runtime in by importScripts.
 */

const parts = ["color", "input", "mark", "network", "photo", "steering", "variants"].map((name) =>
  import(`./${name}.js`));
const MOST = 50; // photos that are remembered
let site; // what there is to work with, once it is loaded
let last = {}; // what was asked last, and its answer
const photos = new Map(); // by key: what is known of each photo; the logits of the last one alone

async function load(config) {
  const [color, input, mark, network, photo, steering, variants] = await Promise.all(parts);
  const run = await network.openNetwork(config);
  const { bins, limits, packet } = config;
  site = { color, input, mark, photo, steering, variants, run, bins, limits, packet };
}

/** A photo's size, what is said of it, and the network's input. */
async function known({ key, file }, opened = null) {
  if (photos.has(key)) return photos.get(key);
  const bitmap = opened ?? (await site.photo.open(file, site.limits));
  const pixels = site.photo.pixelsOf(bitmap);
  const { width, height } = bitmap;
  const photo = { width, height, said: site.photo.describe(pixels), ...site.input.networkInput(pixels) };
  if (!opened) bitmap.close();
  if (photos.size === MOST) photos.delete(photos.keys().next().value);
  photos.set(key, photo);
  return photo;
}

async function picture(order) {
  const whole = await site.photo.open(order.file, site.limits);
  const { width, height, said } = await known(order, whole);
  const bitmap = await site.photo.shown(whole);
  whole.close();
  return { bitmap, width, height, said };
}

async function shares({ file }) {
  const bitmap = await site.photo.open(file, site.limits);
  const small = site.input.resize(site.photo.pixelsOf(bitmap), { width: 64, height: 64 });
  bitmap.close();
  return site.steering.palette(small, site.bins);
}

/** The answer to a wish; the last one is kept, since it may be saved next. */
async function answer({ wish, ...photo }) {
  const name = JSON.stringify([photo.key, wish]); // of a reference, its key tells
  if (last.name !== name) last = { name, answer: await found(photo, wish) };
  return last.answer;
}

async function found(file, { hints: told = [], version = 0, reference = null }) {
  const { input, steering, variants, bins } = site;
  const photo = await known(file);
  for (const other of photos.values()) if (other !== photo) delete other.logits;
  const { size, width, height, said } = photo;
  const own = (photo.logits ??= await site.run(photo.x, size));
  const hints = told.map((hint) => ({ ...hint, ab: site.color.hexToAb(hint.color) }));
  const far = !hints.length || hints.some((hint) => hint.reach == null);
  const other = async (x, logits) =>
    version ? variants.version(site.run, { x, size }, logits, version, bins) : logits;
  const grid = { width: size.width / 4, height: size.height / 4 };
  let [logits, unhinted] = [own, null];
  if (hints.length) {
    const x = input.hinted(photo, hints, photo);
    logits = await other(x, await site.run(x, size));
    unhinted = far ? own : await other(photo.x, own);
    if (!far) logits = steering.mix(unhinted.slice(), logits, steering.spread(hints, photo, grid));
  } else logits = await other(photo.x, own);
  const palette = reference && (await shares(reference));
  const near = hints.filter((hint) => hint.reach != null);
  let ab = palette && !near.length ? null : steering.colours(logits, steering.LEVELS, bins, unhinted);
  if (palette) { // which tells how much there is of each colour: nothing is left to balance
    const even = { ...bins, prior: bins.prior.map(() => 1 / bins.prior.length) };
    const told = ab;
    ab = steering.colours(steering.transport(logits, palette), steering.LEVELS, even);
    const share = near.length && steering.spread(near, photo, grid); // what is told comes first
    if (near.length) ab.forEach((colours, level) => steering.mix(colours, told[level], share));
  }
  const confidence = steering.confidence(logits, bins.prior.length);
  const likely = steering.likely(logits, bins);
  return { width, height, said, grid, levels: steering.LEVELS, ab, confidence, likely };
}

async function save(order) {
  const colours = await answer(order);
  const bitmap = await site.photo.open(order.file, site.limits);
  const file = await site.photo.save(bitmap, colours, order.settings);
  bitmap.close();
  const { file: original, wish, settings: { vividness } } = order;
  return site.mark.marked(file, site.packet, { file: original, vividness, wish });
}

const WORK = { load, picture, answer, save };
self.onmessage = async ({ data: { id, kind, ...order } }) => {
  try {
    self.postMessage({ id, result: await WORK[kind](order) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
};
