/** The engine that needs no server: the network runs in a worker of this page. */

/**
 * @typedef {{x:number, y:number, color:string, reach:number|null}} Hint  x, y: pixels of the photo;
 *   reach: radius as a share of its longer side, or null
 * @typedef {{hints?:Hint[], version?:number, reference?:Blob|null}} Wish
 */

const VERSIONS = [1, 2, 3, 4];

/** Lets the service worker keep the page first, so that it keeps runtime and network as well. */
async function keep() {
  const kept = await navigator.serviceWorker?.register("sw.js").catch(() => null);
  if (!kept?.installing) return; // private windows and plain http have none; or it is there already
  await new Promise((done) => {
    navigator.serviceWorker.addEventListener("controllerchange", done, { once: true });
    kept.installing.addEventListener("statechange", ({ target }) => {
      if (target.state === "redundant") done(); // such as without room
    });
    setTimeout(done, 20_000);
  });
}

/** @param {object} config  engine.json */
export async function open(config) {
  await keep();
  const worker = new Worker("worker.js");
  const [waiting, keys] = [new Map(), new WeakMap()];
  let last = Promise.resolve();
  let number = 0;
  worker.onmessage = ({ data: { id, result, error } }) => {
    const { done, failed } = waiting.get(id);
    waiting.delete(id);
    if (error) failed(new Error(error));
    else done(result);
  };
  worker.onerror = () => {
    for (const { failed } of waiting.values()) failed(new Error("The work stopped; load the page again."));
    waiting.clear();
  };

  /** One piece of work, when those before it are done; one that was called off is not begun. */
  function ask(kind, order, signal) {
    const mine = last.then(() => {
      signal?.throwIfAborted();
      return new Promise((done, failed) => {
        waiting.set(++number, { done, failed });
        worker.postMessage({ id: number, kind, ...order });
      });
    });
    last = mine.catch(() => {});
    if (!signal) return mine;
    return Promise.race([mine, new Promise((_, failed) => {
      signal.addEventListener("abort", () => failed(signal.reason), { once: true });
    })]);
  }

  function photo(file) {
    if (!keys.has(file)) keys.set(file, ++number);
    return { file, key: keys.get(file) };
  }

  await ask("load", config);
  const wished = (file, { reference, ...wish } = {}) => // files by key: copies are not told apart
    ({ ...photo(file), wish: { ...wish, reference: reference && photo(reference) } });
  const answer = (file, wish, signal) => ask("answer", wished(file, wish), signal);
  return {
    films: false,
    formats: config.formats,
    picture: (file) => ask("picture", photo(file)),
    answer,
    versions: (file, wish, signal) =>
      Promise.all(VERSIONS.map((version) => answer(file, { ...wish, version }, signal))),
    save: (file, wish, settings, signal) => ask("save", { ...wished(file, wish), settings }, signal),
  };
}
