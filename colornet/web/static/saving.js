/** Saving: one photo as a file, several as a zip; how is chosen under "More", and remembered. */

import { remember, remembered } from "./store.js";
import { words } from "./words.js";
import { Zip } from "./zip.js";

const ENDS = { jpeg: ".jpg", png: ".png", tiff: ".tif" };
const MOST = 3.5e9; // bytes of one zip; those of 4 GB and more need another form
const get = (id) => document.getElementById(id);

export class Saving {
  settings = { format: "", quality: 95, mark: false, ...remembered("saving", {}) };

  /** @param {object} engine */
  constructor(engine) {
    this.engine = engine;
    for (const format of ["", ...engine.formats]) {
      const label = document.createElement("label"), radio = document.createElement("input");
      Object.assign(radio, { type: "radio", name: "format", checked: format === this.settings.format });
      radio.addEventListener("change", () => this.set({ format }));
      label.className = "check";
      label.append(radio, words.formats[format]);
      get("formats").append(label);
    }
    get("quality").value = this.settings.quality;
    get("quality").addEventListener("change", (event) => this.set({ quality: +event.target.value }));
    get("mark").checked = this.settings.mark;
    get("mark").addEventListener("change", (event) => this.set({ mark: event.target.checked }));
  }

  set(change) {
    Object.assign(this.settings, change);
    remember("saving", this.settings);
  }

  format({ name }) {
    if (this.settings.format) return this.settings.format;
    if (/\.tiff?$/i.test(name) && this.engine.formats.includes("tiff")) return "tiff";
    return /\.(png|webp|gif|bmp|tiff?)$/i.test(name) ? "png" : "jpeg";
  }

  /** The coloured photo at its own size. @param {import("./album.js").Item} item */
  blob(item, signal) {
    const { vividness, ...wish } = item.history.now;
    const settings = { ...this.settings, vividness, format: this.format(item.file) };
    return this.engine.save(item.file, wish, settings, signal);
  }

  /** A result's name. @param {File} file */
  name(file, more, end = ENDS[this.format(file)]) {
    return file.name.replace(/\.[^.]*$/, "") + more + end;
  }

  /** Saves one photo. @returns {Promise<string>} its name */
  async one(item) {
    const name = this.name(item.file, "-coloured");
    download(name, await this.blob(item));
    return name;
  }

  /** Saves all as a zip, or several where one would be too large. @returns {Promise<number>} how many failed */
  async all(items, progress, signal) {
    let zip = new Zip(), failed = 0;
    for (const [i, item] of items.entries()) {
      progress(i + 1, items.length);
      try {
        const blob = await this.blob(item, signal);
        if (zip.size + blob.size > MOST) download("coloured.zip", zip.blob()), (zip = new Zip());
        await zip.add(this.name(item.file, ""), blob);
      } catch (error) {
        if (signal.aborted) throw error;
        failed++;
      }
    }
    download("coloured.zip", zip.blob());
    return failed;
  }
}

/** Hands a file to the visitor. @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const link = document.createElement("a");
  Object.assign(link, { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60e3);
}
