/**
 * sRGB to CIE Lab and back, as colornet/color/lab.py has it: IEC 61966-2-1, CIE 1976, D65.
 * Colours that sRGB cannot show lose chroma, never lightness.
 */

export const L_SCALE = 50; // a network sees L / 50 - 1, and ab / 110
export const AB_SCALE = 110;
export const RGB_TO_XYZ = [
  [0.412453, 0.357580, 0.180423],
  [0.212671, 0.715160, 0.072169],
  [0.019334, 0.119193, 0.950227],
];
export const XYZ_TO_RGB = [ // the inverse
  [3.240481343200526, -1.5371515162713185, -0.4985363261688878],
  [-0.9692549499965682, 1.8759900014898907, 0.04155592655829284],
  [0.05564663913517716, -0.20404133836651123, 1.0573110696453443],
];
export const WHITE = [0.95047, 1, 1.08883];
export const GAMUT_TOLERANCE = 1e-5; // linear light
export const GAMUT_STEPS = 12; // halvings

const linear = (v) => (v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92);
const gamma = (v) => (v > 0.0031308 ? 1.055 * v ** (1 / 2.4) - 0.055 : 12.92 * v);
const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
const cubed = (t) => (t > 0.2068966 ? t ** 3 : (t - 16 / 116) / 7.787);
const mix = (matrix, [x, y, z]) => matrix.map((row) => row[0] * x + row[1] * y + row[2] * z);

/** The linear light of each level of 8 bits. */
const LINEAR = Float64Array.from({ length: 256 }, (_, level) => linear(level / 255));

/**
 * L of an 8-bit sRGB colour.
 * @param {number} r @param {number} g @param {number} b  0 to 255
 * @returns {number} 0 to 100
 */
export function lightness(r, g, b) {
  const [x, y, z] = RGB_TO_XYZ[1];
  return 116 * f(x * LINEAR[r] + y * LINEAR[g] + z * LINEAR[b]) - 16;
}

/**
 * L of one pixel.
 * @param {ImageData} pixels @param {number} x @param {number} y  from its left and top edge
 */
export function lightnessAt(pixels, x, y) {
  const at = 4 * (Math.floor(y) * pixels.width + Math.floor(x));
  return lightness(...pixels.data.subarray(at, at + 3));
}

/**
 * @param {number[]} rgb  0 to 1
 * @returns {number[]} L, a, b
 */
export function rgbToLab(rgb) {
  const [fx, fy, fz] = mix(RGB_TO_XYZ, rgb.map(linear)).map((v, i) => f(v / WHITE[i]));
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}

function linearRgb(L, a, b) {
  const fy = (L + 16) / 116;
  const xyz = [fy + a / 500, fy, fy - b / 200].map((t, i) => WHITE[i] * cubed(t));
  return mix(XYZ_TO_RGB, xyz);
}

/** Whether sRGB can show a Lab colour. */
export function inGamut(L, a, b) {
  const rgb = linearRgb(L, a, b);
  return Math.min(...rgb) >= -GAMUT_TOLERANCE && Math.max(...rgb) <= 1 + GAMUT_TOLERANCE;
}

/**
 * The nearest colour that sRGB can show, at the same L and hue; L is clipped to 0 ... 100.
 * @param {number[]} lab
 * @returns {number[]} L, a, b
 */
export function fitGamut([L, a, b]) {
  L = Math.min(100, Math.max(0, L));
  if (inGamut(L, a, b)) return [L, a, b];
  let factor = 0;
  for (let step = 0.5; step >= 0.5 ** GAMUT_STEPS; step /= 2) {
    const more = factor + step;
    if (inGamut(L, a * more, b * more)) factor = more;
  }
  return [L, a * factor, b * factor];
}

/**
 * @param {number[]} lab  L, a, b
 * @returns {number[]} sRGB, 0 to 1
 */
export function labToRgb(lab) {
  return linearRgb(...fitGamut(lab)).map((v) => Math.min(1, Math.max(0, gamma(v))));
}

/**
 * @param {number} L @param {number[]} ab
 * @returns {string} "#rrggbb"
 */
export function labToHex(L, ab) {
  const bytes = labToRgb([L, ab[0], ab[1]]).map((v) => Math.round(255 * v));
  return `#${bytes.map((v) => v.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * @param {string} hex  "#rrggbb"
 * @returns {number[]} L, a, b
 */
export function hexToLab(hex) {
  if (!/^#[0-9a-f]{6}$/i.test(hex)) throw new Error(`${hex}: give a colour as #rrggbb`);
  return rgbToLab([1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255));
}

/** a and b of "#rrggbb". */
export const hexToAb = (hex) => hexToLab(hex).slice(1);
