/** Films: shown as they are, coloured when told to, with progress, and stopped when told to. */

import { fill, words } from "./words.js";

/** Whether a file is a film. @param {File} file */
export const isFilm = (file) => file.type.startsWith("video/") || /\.(mkv|mov|avi|mp4|webm|mpg)$/i.test(file.name);

const wish = ({ history: { now } }) => ({ vividness: now.vividness, repair: !!now.dust });

/** The coloured film, or null where there is none as it is wished now. @param {import("./album.js").Item} item */
export const made = (item) => (item.made?.by === JSON.stringify(wish(item)) ? item.made.film : null);

export class Films {
  /** @param {HTMLVideoElement} video @param {object} engine @param {(item:object, text:string)=>void} tell */
  constructor(video, engine, tell) {
    Object.assign(this, { video, engine, tell });
  }

  /** Shows a film, coloured if it is already. @param {import("./album.js").Item|null} item */
  show(item) {
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute("src");
    if (item) this.video.src = URL.createObjectURL(made(item) ?? item.file);
  }

  /** Colours a film as it is wished now. */
  async make(item) {
    item.work = new AbortController();
    const progress = (done, total, seconds) => {
      const left = fill(seconds < 90 ? words.seconds : words.minutes, { n: Math.ceil(seconds < 90 ? seconds : seconds / 60) });
      this.tell(item, seconds == null || !total ? words.filmStarts : fill(words.film, { n: Math.floor((100 * done) / total), left }));
    };
    progress(0, 0, null);
    const wished = wish(item);
    const film = await this.engine.film(item.file, wished, progress, item.work.signal);
    item.made = { film, by: JSON.stringify(wished) };
  }
}
