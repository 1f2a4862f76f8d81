/**
 * Joins a picture's own L with colours, on the graphics card: colornet/inference/compose.py.
 * The ab grid is enlarged as OpenCV's INTER_CUBIC does it; what sRGB cannot show loses chroma.
 */

import { GAMUT_STEPS, GAMUT_TOLERANCE, RGB_TO_XYZ, WHITE, XYZ_TO_RGB } from "./color.js";

const number = (value) => (Number.isInteger(value) ? `${value}.0` : `${value}`);
const vector = (values) => `vec3(${values.map(number).join(", ")})`;
const matrix = (rows) => `mat3(${rows.map(vector).join(", ")})`; // for vector * matrix

const VERTEX = `#version 300 es
void main() { // one triangle over all
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D picture;
uniform sampler2D grid; // a, b, confidence
uniform vec4 place; // where this part lies in the whole picture, and the size of that
uniform int mode;
out vec4 shown;

const int COLOUR = 1, CONFIDENCE = 2;
const vec3 CIVIDIS[9] = vec3[9]( // every 32nd of 256
  vec3(0.0, 0.133, 0.306), vec3(0.102, 0.220, 0.435), vec3(0.263, 0.306, 0.424),
  vec3(0.380, 0.396, 0.435), vec3(0.490, 0.486, 0.471), vec3(0.604, 0.576, 0.463),
  vec3(0.733, 0.678, 0.427), vec3(0.867, 0.784, 0.345), vec3(0.996, 0.910, 0.220));

float linear(float v) { return v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92; }
float gamma(float v) { return v > 0.0031308 ? 1.055 * pow(v, 1.0 / 2.4) - 0.055 : 12.92 * v; }
float cubed(float f) { return f > 0.2068966 ? f * f * f : (f - 16.0 / 116.0) / 7.787; }

float lightness(vec3 rgb) {
  float y = dot(${vector(RGB_TO_XYZ[1])}, vec3(linear(rgb.r), linear(rgb.g), linear(rgb.b)));
  return y > 0.008856 ? 116.0 * pow(y, 1.0 / 3.0) - 16.0 : 903.292 * y;
}

vec3 light(float L, vec2 ab) {
  float f = (L + 16.0) / 116.0;
  vec3 xyz = vec3(cubed(f + ab.x / 500.0), cubed(f), cubed(f - ab.y / 200.0));
  return (xyz * ${vector(WHITE)}) * ${matrix(XYZ_TO_RGB)};
}

bool possible(vec3 rgb) {
  return min(min(rgb.r, rgb.g), rgb.b) >= -${GAMUT_TOLERANCE.toFixed(5)} &&
    max(max(rgb.r, rgb.g), rgb.b) <= 1.0 + ${GAMUT_TOLERANCE.toFixed(5)};
}

vec3 fitted(float L, vec2 ab) {
  vec3 rgb = light(L, ab);
  if (possible(rgb)) return rgb;
  float factor = 0.0, more = 0.5;
  for (int step = 0; step < ${GAMUT_STEPS}; step++) {
    if (possible(light(L, ab * (factor + more)))) factor += more;
    more /= 2.0;
  }
  return light(L, ab * factor);
}

vec4 weights(float t) { // Keys' cubic, a = -0.75
  vec4 x = vec4(t + 1.0, t, 1.0 - t, 2.0 - t);
  vec4 near = (1.25 * x - 2.25) * x * x + 1.0;
  vec4 far = ((-0.75 * x + 3.75) * x - 6.0) * x + 3.0;
  return vec4(far.x, near.y, near.z, far.w);
}

vec3 cell(ivec2 at) { return texelFetch(grid, clamp(at, ivec2(0), textureSize(grid, 0) - 1), 0).xyz; }

vec3 cubic(vec2 at) {
  ivec2 base = ivec2(floor(at));
  vec4 across = weights(fract(at.x)), down = weights(fract(at.y));
  vec3 sum = vec3(0.0);
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 4; x++)
      sum += down[y] * across[x] * cell(base + ivec2(x - 1, y - 1));
  return sum;
}

vec3 cividis(float sure) {
  float at = clamp(sure, 0.0, 1.0) * 8.0;
  int low = min(int(at), 7);
  return mix(CIVIDIS[low], CIVIDIS[low + 1], at - float(low));
}

void main() {
  ivec2 at = ivec2(int(gl_FragCoord.x), textureSize(picture, 0).y - 1 - int(gl_FragCoord.y));
  vec4 pixel = texelFetch(picture, at, 0);
  vec3 here = vec3(0.0);
  if (mode > 0)
    here = cubic((vec2(at) + place.xy + 0.5) * vec2(textureSize(grid, 0)) / place.zw - 0.5);
  vec3 rgb = fitted(lightness(pixel.rgb), mode == COLOUR ? here.xy : vec2(0.0));
  rgb = clamp(vec3(gamma(rgb.r), gamma(rgb.g), gamma(rgb.b)), 0.0, 1.0);
  shown = vec4(mode == CONFIDENCE ? (rgb + cividis(here.z)) / 2.0 : rgb, pixel.a);
}`;

function shader(gl, kind, source) {
  const made = gl.createShader(kind);
  gl.shaderSource(made, source);
  gl.compileShader(made);
  return made;
}

/**
 * The ab of an answer at a vividness, between its two nearest levels.
 * @param {{levels: number[], ab: Float32Array[]}} answer
 * @param {number} vividness  0 to 1
 * @returns {Float32Array} (h * w * 2), Lab units
 */
export function abAt({ levels, ab }, vividness) {
  const above = levels.findIndex((level) => level >= vividness);
  if (above === 0) return ab[0];
  if (above < 0) return ab[levels.length - 1];
  const [low, high] = [levels[above - 1], levels[above]];
  const share = (vividness - low) / (high - low);
  return ab[above].map((value, i) => share * value + (1 - share) * ab[above - 1][i]);
}

/** Draws one picture with the colours of an answer. */
export class Composer {
  /** @param {HTMLCanvasElement|OffscreenCanvas} canvas  without a context of another kind */
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", {
      antialias: false, depth: false, premultipliedAlpha: false, preserveDrawingBuffer: true,
    });
    if (!this.gl) throw new Error("This browser has no WebGL 2; update it, or turn on hardware acceleration.");
    this.#prepare();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.#prepare();
      if (this.picture) this.setPicture(...this.picture);
      this.redraw?.();
    });
  }

  /** The greatest side of a picture, pixels. */
  get largest() {
    const { gl } = this;
    return Math.min(gl.getParameter(gl.MAX_TEXTURE_SIZE), ...gl.getParameter(gl.MAX_VIEWPORT_DIMS));
  }

  #prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    gl.attachShader(program, shader(gl, gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, shader(gl, gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`The graphics card refuses the colours: ${gl.getProgramInfoLog(program)}`);
    }
    gl.useProgram(program);
    gl.disable(gl.DITHER);
    this.at = (name) => gl.getUniformLocation(program, name);
    for (const unit of [0, 1]) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      for (const kind of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
        gl.texParameteri(gl.TEXTURE_2D, kind, gl.NEAREST);
      }
    }
    gl.uniform1i(this.at("picture"), 0);
    gl.uniform1i(this.at("grid"), 1);
  }

  /**
   * @param {ImageBitmap} bitmap  made with premultiplyAlpha "none"; the canvas takes its size
   * @param {{x:number, y:number, width:number, height:number}} [whole]  where a part lies, and in
   *   a picture of which size
   */
  setPicture(bitmap, whole = { x: 0, y: 0, width: bitmap.width, height: bitmap.height }) {
    const { gl, canvas } = this;
    this.picture = [bitmap, whole];
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    gl.viewport(0, 0, bitmap.width, bitmap.height);
    gl.activeTexture(gl.TEXTURE0);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.uniform4f(this.at("place"), whole.x, whole.y, whole.width, whole.height);
  }

  /** @param {import("./steering.js").Answer} answer */
  setAnswer(answer) {
    this.answer = answer;
  }

  #draw(mode, ab) {
    const { gl, answer } = this;
    if (ab) {
      const { width, height } = answer.grid;
      const cells = new Float32Array(4 * width * height);
      for (let i = 0; i < width * height; i++) {
        cells[4 * i] = ab[2 * i];
        cells[4 * i + 1] = ab[2 * i + 1];
        cells[4 * i + 2] = answer.confidence[i];
      }
      gl.activeTexture(gl.TEXTURE1);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, width, height, 0, gl.RGBA, gl.FLOAT, cells);
    }
    gl.uniform1i(this.at("mode"), mode);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** @param {number|null} vividness  0 to 1; null: L alone, without colours */
  draw(vividness) {
    this.redraw = () => this.draw(vividness);
    if (vividness === null) this.#draw(0);
    else this.#draw(1, abAt(this.answer, vividness));
  }

  /** Half the photo in grey, half yellow where the network is sure and blue where it guesses. */
  drawConfidence() {
    this.redraw = () => this.drawConfidence();
    this.#draw(2, this.answer.ab[0]);
  }
}
