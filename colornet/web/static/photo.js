/** Photo files in the browser: opened, looked at, and saved in colour at their own size. */

import { Composer } from "./composer.js";
import { rgbToLab } from "./color.js";
import { resize } from "./input.js";

const SHOWN = 2048; // pixels: the longer side of what is shown
const TILE = 2048; // pixels to a side, drawn at a time
const STRIP = 256; // rows looked at a time
const TONED = 4; // ab units: mean chroma, and its spread, of what is more than grey
const COLOURED = 12;
const MARK = "colours by AI";
const KNOWN = /^(\.(jpe?g|png|webp|gif|bmp))?$/i; // what every browser opens
const OPENING = { imageOrientation: "from-image", premultiplyAlpha: "none" };

/**
 * @param {Blob} file @param {{bytes:number, pixels:number}} limits
 * @returns {Promise<ImageBitmap>} upright, sRGB
 */
export async function open(file, limits) {
  const name = file.name ?? "The photo";
  if (file.size > limits.bytes) {
    throw new Error(`${name}: is over ${limits.bytes / 1e6} MB; make it smaller first.`);
  }
  const bitmap = await createImageBitmap(file, OPENING).catch(() => {
    const [kind] = /\.\w+$/.exec(name) ?? [""];
    throw new Error(`${name}: ` + (KNOWN.test(kind)
      ? "is damaged, or no photo; fetch or export it again."
      : `this browser cannot open ${kind} files; save it as JPEG, PNG or WebP first.`));
  });
  if (bitmap.width * bitmap.height > limits.pixels) {
    throw new Error(`${name}: is over ${limits.pixels / 1e6} megapixels; make it smaller first.`);
  }
  return bitmap;
}

/** @param {ImageBitmap} bitmap @returns {import("./input.js").Pixels} */
export function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const rows = (top, count) => {
    const strip = new OffscreenCanvas(width, count).getContext("2d", { willReadFrequently: true });
    strip.drawImage(bitmap, 0, -top);
    return strip.getImageData(0, 0, width, count).data;
  };
  return { width, height, rows };
}

/** Whether some of a photo is transparent. @param {import("./input.js").Pixels} photo */
function transparent({ height, rows }) {
  for (let top = 0; top < height; top += STRIP) {
    const data = rows(top, Math.min(STRIP, height - top));
    for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return true;
  }
  return false;
}

/** What a person is told of a photo: a sentence of its size, and whether it has colours. */
export function describe(photo) {
  const rgb = resize(photo, { width: 64, height: 64 });
  const ab = Array.from({ length: 64 * 64 }, (_, i) =>
    rgbToLab([...rgb.subarray(3 * i, 3 * i + 3)].map((v) => v / 255)).slice(1));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = [0, 1].map((axis) => mean(ab.map((one) => one[axis])));
  const spread = Math.sqrt(mean(ab.map(([a, b]) => (a - middle[0]) ** 2 + (b - middle[1]) ** 2)));
  let tone = "in colour: its colours are not looked at, its grey version is coloured anew";
  if (spread < COLOURED) tone = "toned, such as sepia: the tone is taken out before the colours come in";
  if (mean(ab.map((one) => Math.hypot(...one))) < TONED) tone = "grey";
  return `${photo.width} x ${photo.height} pixels; ${tone}.`;
}

/** A photo for the screen. @param {ImageBitmap} bitmap @returns {Promise<ImageBitmap>} */
export function shown(bitmap) {
  const scale = Math.min(1, SHOWN / Math.max(bitmap.width, bitmap.height));
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) =>
    Math.max(1, Math.round(side * scale)));
  return createImageBitmap(bitmap, { ...OPENING, resizeWidth, resizeHeight, resizeQuality: "high" });
}

/**
 * The photo in colour, as a file.
 * @param {ImageBitmap} bitmap @param {import("./steering.js").Answer} answer
 * @param {{vividness:number, format:"jpeg"|"png", quality:number, mark:boolean}} settings
 * @returns {Promise<Blob>}
 */
export async function save(bitmap, answer, { vividness, format, quality, mark }) {
  const { width, height } = bitmap;
  if (format === "jpeg" && transparent(pixelsOf(bitmap))) {
    throw new Error("JPEG cannot hold its transparency; choose PNG.");
  }
  const result = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  const composer = new Composer(new OffscreenCanvas(1, 1));
  composer.setAnswer(answer);
  const side = Math.min(TILE, composer.largest);
  for (let y = 0; y < height; y += side) {
    for (let x = 0; x < width; x += side) {
      const [w, h] = [Math.min(side, width - x), Math.min(side, height - y)];
      const tile = await createImageBitmap(bitmap, x, y, w, h, OPENING);
      composer.setPicture(tile, { x, y, width, height });
      composer.draw(vividness);
      result.drawImage(composer.canvas, x, y);
      tile.close();
    }
  }
  composer.gl.getExtension("WEBGL_lose_context")?.loseContext();
  if (mark) label(result, width, height);
  const kind = { type: `image/${format}`, quality: quality / 100 };
  return result.canvas.convertToBlob(kind).catch(() => {
    throw new Error("This browser cannot save so large a photo; make it smaller first.");
  });
}

function label(context, width, height) {
  const size = Math.max(10, Math.round(Math.min(width, height) / 40));
  Object.assign(context, {
    font: `${size}px sans-serif`, textAlign: "right", textBaseline: "bottom",
    fillStyle: "white", strokeStyle: "black", lineWidth: size / 6, lineJoin: "round",
  });
  const place = [width - size / 2, height - size / 2];
  context.strokeText(MARK, ...place);
  context.fillText(MARK, ...place);
}
