// The engine that lets the server do the work; its interface is that of engine_browser.js.

const LOST = "The server cannot be reached. Is it still running?";

/** Bytes of base64 text. */
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Hundredths of a Lab unit as Lab units; 32767 stands for none. */
function lab(text) {
  const whole = new Int16Array(bytes(text).buffer);
  return Float32Array.from(whole, (value) => (value === 32767 ? NaN : value / 100));
}

/** What the server says of a photo, as an Answer. */
const toAnswer = (said, numbers = said) => ({
  ...{ width: said.width, height: said.height, said: said.said, levels: said.levels },
  grid: numbers.grid,
  ab: numbers.ab.map(lab),
  confidence: Float32Array.from(bytes(numbers.confidence), (value) => value / 255),
  likely: lab(numbers.likely),
});

function pause(seconds, signal) {
  return new Promise((done, fail) => {
    const timer = setTimeout(done, 1000 * seconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), fail(signal.reason)));
  });
}

class ServerEngine {
  #firsts = new WeakMap(); // of files: the answer that came with the picture

  constructor(config) {
    this.films = config.films;
    this.formats = config.formats;
    this.repairs = config.repairs;
    this.onbusy = null;
  }

  /** A response that is well, tried again while the server is busy. */
  async #ask(path, file, { reference, mask, shown, ...settings }, signal) {
    const plain = (hints) => hints?.map(({ x, y, color, reach = null }) => ({ x, y, color, reach }));
    const body = new FormData();
    body.append("photo", file, file.name ?? "photo");
    body.append("settings", JSON.stringify({ ...settings, hints: plain(settings.hints), own: plain(settings.own) }));
    if (reference) body.append("reference", reference, reference.name ?? "reference");
    if (mask) body.append("mask", mask, "mask.png");
    if (shown) body.append("shown", shown, shown.name ?? "photo");
    for (;;) {
      const response = await fetch(path, { method: "POST", body, signal }).catch((error) => {
        throw signal?.aborted ? signal.reason : new Error(LOST, { cause: error });
      });
      if (response.ok) return response;
      const { error } = await response.json().catch(() => ({ error: LOST }));
      if (response.status !== 503) throw new Error(error);
      const seconds = Number(response.headers.get("Retry-After")) || 3;
      this.onbusy?.(seconds);
      await pause(seconds, signal);
    }
  }

  async #answer(file, wish, more, signal) {
    return (await this.#ask("api/answer", file, { ...wish, ...more }, signal)).json();
  }

  /** Where the photo is damaged: a picture of its form, white there. @returns {Promise<Blob>} */
  async damage(file) {
    return (await this.#ask("api/damage", file, {})).blob();
  }

  /** The hints by which a photo gets what was told in another, `shown`, where both show the same. */
  async alike(file, own, shown, hints, signal) {
    return (await (await this.#ask("api/alike", file, { own, shown, hints }, signal)).json()).hints;
  }

  async picture(file, mask = null) {
    const said = await this.#answer(file, { mask }, { picture: true });
    const blob = new Blob([bytes(said.picture)], { type: "image/jpeg" });
    const bitmap = await createImageBitmap(blob);
    this.#firsts.set(mask ?? file, toAnswer(said));
    return { bitmap, width: said.width, height: said.height, said: said.said };
  }

  async answer(file, wish = {}, signal) {
    const first = !wish.hints?.length && !wish.version && !wish.reference && this.#firsts.get(wish.mask ?? file);
    return first || toAnswer(await this.#answer(file, wish, { picture: false }, signal));
  }

  async versions(file, wish = {}, signal) {
    const said = await this.#answer(file, wish, { picture: false, versions: true }, signal);
    return said.others.map((numbers) => toAnswer(said, numbers));
  }

  async save(file, wish, settings, signal) {
    return (await this.#ask("api/colorize", file, { ...wish, ...settings }, signal)).blob();
  }

  async film(file, settings, onProgress, signal) {
    const { id } = await (await this.#ask("api/video", file, settings, signal)).json();
    const events = new EventSource(`api/video/${id}/events`); // closing it cancels the film
    try {
      await new Promise((done, fail) => {
        signal?.addEventListener("abort", () => fail(signal.reason));
        events.onerror = () => fail(new Error(LOST));
        events.onmessage = ({ data }) => {
          const told = JSON.parse(data);
          if (told.error) fail(new Error(told.error));
          else onProgress?.(told.done, told.total, told.left);
          if (told.ready) done();
        };
      });
    } finally {
      events.close();
    }
    const response = await fetch(`api/video/${id}`, { signal });
    if (!response.ok) throw new Error((await response.json()).error);
    return response.blob();
  }
}

/** @param config what engine.json says */
export const open = async (config) => new ServerEngine(config);
