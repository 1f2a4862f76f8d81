/** The trained network, run by LiteRT.js: `light.tflite`, as colornet/inference/litert.py runs it. */

/**
 * @param {{network:string, runtime:string, input:number[][], output:number[][]}} config
 *   addresses; and where in the network's file the heights and widths are told
 * @returns {Promise<(x: Float32Array, size: Size) => Promise<Float32Array>>}
 *   from (h * w * 4) to logits (h/4 * w/4 * bins)
 */
export async function openNetwork(config) {
  const address = (path) => new URL(path, self.location).href;
  const locateFile = (name) => address(config.runtime + name);
  const mainScriptUrlOrBlob = locateFile("litert_wasm_threaded_internal.js"); // of each thread
  self.Module = { locateFile, mainScriptUrlOrBlob, print() {}, printErr() {} }; // it tells much
  const said = console.warn;
  console.warn = () => {}; // that there is no WebGPU, which is not asked for
  try {
    const file = fetch(address(config.network)); // meanwhile
    const litert = await import(locateFile("index.js"));
    const threads = self.crossOriginIsolated && navigator.hardwareConcurrency > 1;
    const load = (options) => litert.loadLiteRt(address(config.runtime), options);
    await load({ threads }).catch(() => load({})); // threads need relaxed SIMD besides
    const answer = await file;
    if (!answer.ok) throw new Error(answer.statusText);
    return runner(litert, new Uint8Array(await answer.arrayBuffer()), config);
  } catch (error) {
    throw new Error(`The network cannot be loaded (${error.message}); go online and load this page again.`);
  } finally {
    console.warn = said;
  }
}

function runner({ loadAndCompile, Tensor }, file, { input, output }) {
  const numbers = new DataView(file.buffer);
  let [model, compiled] = [null, ""];
  return async (x, { width, height }) => {
    if (compiled !== `${width}x${height}`) {
      // LiteRT.js takes no other size than the file tells, so it is told anew.
      const tell = (places, value) => places.forEach((at) => numbers.setInt32(at, value, true));
      [height, width].forEach((side, i) => {
        tell(input[i], side);
        tell(output[i], side / 4);
      });
      model?.delete();
      model = await loadAndCompile(file, { accelerator: "wasm" });
      compiled = `${width}x${height}`;
    }
    const given = new Tensor(x, [1, height, width, 4]);
    const found = await model.run({ x: given });
    const logits = found.logits.toTypedArray().slice();
    for (const tensor of [given, ...Object.values(found)]) tensor.delete();
    return logits;
  };
}
