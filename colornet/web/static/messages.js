/** What the page tells its visitor. */

/** An element by its id. @returns {any} */
export const get = (id) => document.getElementById(id);

/** Tells a screen reader something. @param {string} text */
export function say(text) {
  get("status").className = "";
  get("status").textContent = text;
}

let timer;
/** Tells everyone something, for a while. @param {string} text */
export function show(text) {
  say(text);
  get("status").className = "shown";
  clearTimeout(timer);
  timer = setTimeout(() => (get("status").className = ""), 7000);
}

/** Runs something; what goes wrong is shown in a sentence. @returns its result, or undefined */
export async function trying(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") show(error.message);
  }
}

/** A line on the photo, with or without a button; null takes it away. */
export function banner(text, label = null, action = null) {
  get("banner").hidden = text === null;
  get("banner").firstChild.textContent = text ?? "";
  get("stop").hidden = !label;
  get("stop").textContent = label ?? "";
  get("stop").onclick = action;
}
