/** The page's texts, which lie in words.json for translators, and the names of colours. */

export const words = await (await fetch(new URL("words.json", import.meta.url))).json();

/** A text with its gaps filled. @param {string} text @param {Object<string, string|number>} gaps */
export const fill = (text, gaps) => text.replace(/{(\w+)}/g, (_, gap) => gaps[gap]);

// Up to which angle of Lab a hue bears its name.
const HUES = [
  [25, "rose"], [50, "red"], [80, "orange"], [108, "yellow"], [165, "green"], [215, "teal"],
  [295, "blue"], [325, "violet"], [350, "magenta"], [360, "rose"],
];
const GREYS = [[12, "black"], [35, "dark grey"], [65, "grey"], [92, "light grey"], [101, "white"]];

/**
 * A plain name, such as "dark green".
 * @param {number[]} lab  L, a, b
 */
export function colourName([L, a, b]) {
  const chroma = Math.hypot(a, b), angle = ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360;
  if (chroma < 7) return words.colours[GREYS.find(([end]) => L <= end)[1]];
  let name = HUES.find(([end]) => angle <= end)[1];
  if (name === "orange" && chroma < 55) name = L < 55 ? "brown" : L < 72 ? "tan" : "beige";
  else if (name === "red" && chroma < 40) name = L < 62 ? "reddish brown" : "pink";
  else if (name === "rose" && L > 65) name = "pink";
  else if (name === "yellow" && chroma < 45) name = L < 58 ? "olive" : L < 78 ? "sand" : "cream";
  const tone = L < 28 ? "dark" : chroma < 20 ? "soft" : L > 78 && !/cream|beige/.test(name) ? "light" : null;
  return tone ? fill(words.tones[tone], { name: words.colours[name] }) : words.colours[name];
}

/** Names for several colours side by side, no two alike. @param {number[][]} labs */
export function colourNames(labs) {
  const seen = {};
  return labs.map(colourName).map((name) => {
    seen[name] = (seen[name] ?? 0) + 1;
    return seen[name] > 1 ? fill(words.tones.another, { name, n: seen[name] }) : name;
  });
}

/** Fills the texts of the page. */
export function dress(root) {
  document.title = words.title;
  for (const one of root.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
  for (const one of root.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", words[one.dataset.label]);
    if (one.tagName === "BUTTON") one.title = words[one.dataset.label];
  }
}
