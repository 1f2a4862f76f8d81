/** The page: ties photo, wishes, engine and screen together. */

import { Album, paint } from "./album.js";
import { rgbToLab } from "./color.js";
import { Correction } from "./correct.js";
import { Films, isFilm, made } from "./films.js";
import { Mending } from "./mending.js";
import { banner, get, say, show, trying } from "./messages.js";
import { download, Saving } from "./saving.js";
import { byIntent } from "./slider.js";
import { Stage } from "./stage.js";
import * as store from "./store.js";
import { colourName, dress, fill, words } from "./words.js";

const body = document.body;
let engine, album, stage, correction, saving, films, mending;
let presented = null; // whose picture is on the stage
let item = null; // what is on the screen
let guessing = false; // whether it shows where the network guessed
let seeking = new AbortController(); // of other versions

const now = () => item.history.now;
const vividness = () => item.live ?? now().vividness;

/** Draws the photo as wished. */
function draw() {
  if (!item?.answer || stage.borrowed) return;
  if (guessing) stage.composer.drawConfidence();
  else stage.composer.draw(vividness());
}

/** Brings every control up to date with what is on the screen. */
function refresh() {
  const several = album.items.length > 1, working = album.items.some((one) => /w.*ing/.test(one.state));
  body.classList.toggle("empty", !item);
  body.classList.toggle("film", !!item?.film);
  body.classList.toggle("blank", !item?.picture && !item?.small);
  get("album").hidden = !several;
  get("together").hidden = !several;
  get("cancel").hidden = !working;
  get("alike").hidden = !several || !engine.alike || !item?.history.now.hints.length;
  if (!item) return;
  const { history, state, film, answer } = item, ready = !!answer;
  get("stage").setAttribute("aria-busy", state === "working" || (ready && !item.picture && !film));
  get("undo").disabled = !history.past.length;
  get("redo").disabled = !history.future.length;
  get("strength").value = vividness();
  get("strength").setAttribute("aria-valuetext", fill(words.percent, { n: Math.round(100 * vividness()) }));
  get("strength").disabled = ready && answer.levels.length === 1;
  for (const id of ["versions", "guess"]) get(id).disabled = !ready;
  get("guess").setAttribute("aria-pressed", guessing);
  get("like").setAttribute("aria-pressed", !!now().reference);
  get("like").lastChild.textContent = now().reference ? fill(words.likeNow, now().reference) : words.like;
  get("save").disabled = film ? state === "working" : !ready;
  get("save").lastChild.textContent = film ? (made(item) ? words.saveFilm : words.makeFilm) : words.save;
  get("said").textContent = `${item.picture?.said ?? ""} ${mending.said}`;
  correction.refresh();
  mending.refresh();
  for (const one of album.items) one.button.setAttribute("aria-current", one === item);
  if (correction.taking || (film && state === "working")) return;
  if (state === "failed") banner(item.error, words.again, () => album.ask(item));
  else banner(guessing ? words.legend : mending.hint);
}

/** Puts what there is of the photo on the stage: its thumbnail until it is read. */
function present() {
  const bitmap = item?.picture?.bitmap ?? item?.small;
  if (!bitmap) return;
  stage.show(bitmap, presented === item);
  presented = item;
  if (item.answer) stage.composer.setAnswer(item.answer);
  draw();
}

/** What the album tells of a photo. */
function changed(one, what) {
  if (one === item) {
    if (what === "picture") present();
    if (what === "answer") {
      stage.composer.setAnswer(one.answer);
      draw();
      if (!one.seen) stage.reveal();
      one.seen = true;
      say(words.coloured);
    }
    if (what === "state" && one.state === "failed") say(one.error);
  }
  refresh();
}

/** Puts a photo on the screen. */
async function choose(next) {
  if (item && item !== next && item.state !== "working") album.close(item);
  correction.popover.close();
  get("tray").hidden = true;
  guessing = false;
  item = album.current = next;
  films.show(item?.film ? item : null);
  present();
  refresh();
  if (!item || item.film || /working|failed/.test(item.state)) return;
  if (item.state === "waiting") return album.fill();
  if (!item.answer) return album.ask(item);
  if (!(await trying(() => album.open(next).then(() => true))) || item !== next) return;
  changed(next, "answer");
}

/** Takes in files. */
async function add(files) {
  const good = [...files].filter((file) => file.type.startsWith("image/") || isFilm(file) || /\.(tiff?|hei[cf])$/i.test(file.name));
  if (!good.length) return show(words.noPhoto);
  let first;
  for (const file of good) {
    if (isFilm(file) && !engine.films) {
      show(words.noFilms);
      continue;
    }
    const one = album.add(file, Date.now() * 1000 + album.items.length);
    first ??= one;
    if (!one.film) keep(one, file);
  }
  if (!first) return;
  say(words.colouring);
  await choose(first);
  album.fill();
}

/** Keeps a photo's wishes, and the photo itself where it is new. */
async function keep(one, file) {
  try {
    if (file) await store.keepFile(one.id, file);
    if (!one.film) await store.keepWishes(one.id, one.history.kept);
  } catch {
    show(words.notKept);
  }
}

/** A new wish for the photo on the screen; its colours follow. */
function wish(change) {
  guessing = false;
  item.history.push(change);
  keep(item);
  if (item.film) refresh();
  else album.ask(item);
}

function step(way) {
  const { hints, version, reference, mask } = now(), one = item;
  one.history[way]();
  keep(one);
  correction.popover.close();
  const same = hints === now().hints && version === now().version && reference === now().reference && mask === now().mask;
  if (!same) return album.ask(one);
  album.thumbnail(one);
  draw();
  refresh();
}

/** The first version and the four others, to choose from. */
async function versions() {
  const tray = get("tray"), one = item, { vividness: _, ...wished } = now();
  tray.hidden = !tray.hidden;
  get("versions").setAttribute("aria-pressed", !tray.hidden);
  seeking.abort();
  if (tray.hidden) return;
  const { signal } = (seeking = new AbortController());
  const buttons = [0, 1, 2, 3, 4].map((version) => {
    const button = document.createElement("button");
    button.append(document.createElement("canvas"), version ? fill(words.version, { n: version + 1 }) : words.first);
    button.setAttribute("aria-pressed", version === now().version);
    paint(button.firstChild, one.small, null, null);
    button.addEventListener("click", () => {
      wish({ version });
      for (const other of buttons) other.setAttribute("aria-pressed", other === button);
    });
    return button;
  });
  tray.replaceChildren(...buttons);
  tray.setAttribute("aria-busy", "true");
  await trying(async () => {
    const first = await engine.answer(one.file, { ...wished, version: 0 }, signal);
    const others = await engine.versions(one.file, { ...wished, version: 0 }, signal);
    [first, ...others].forEach((answer, i) => paint(buttons[i].firstChild, one.small, answer, vividness()));
  });
  tray.setAttribute("aria-busy", "false");
}

async function colourFilm() {
  const one = item;
  album.mark(one, "working");
  await trying(() => films.make(one));
  album.mark(one, "ready");
  if (one === item) films.show(one);
}

async function save() {
  if (item.film) {
    const film = made(item);
    return film ? download(saving.name(item.file, "-coloured", ".mp4"), film) : colourFilm();
  }
  get("save").disabled = true;
  say(words.saving);
  const name = await trying(() => saving.one(item));
  if (name) show(fill(words.saved, { name }));
  refresh();
}

async function saveAll() {
  const work = new AbortController(), photos = album.items.filter((one) => !one.film);
  const progress = (n, total) => banner(fill(words.zipping, { n, total }), words.cancel, () => work.abort());
  const failed = await trying(() => saving.all(photos, progress, work.signal));
  show(work.signal.aborted ? words.cancelled : failed ? fill(words.someFailed, { n: failed }) : fill(words.saved, { name: "coloured.zip" }));
  refresh();
}

/** The strength of this photo, or of all; `last` where the hand has let go. */
function strength(last) {
  const value = +get("strength").value, all = get("together").firstChild.checked;
  for (const one of all ? album.items : [item]) {
    one.live = last ? undefined : value;
    if (last && one.history.now.vividness !== value) one.history.push({ vividness: value }), keep(one);
    if (last || one === item) album.thumbnail(one);
  }
  draw();
  refresh();
}

/** What was corrected here is corrected in the other photos, where they show the same. */
async function alike() {
  const work = new AbortController();
  const seeking = (n, total) => banner(fill(words.seeking, { n, total }), words.cancel, () => work.abort());
  const told = await trying(() => album.tellAlike(item, seeking, work.signal, keep));
  if (told !== undefined) show(told ? fill(words.alikeIn, { n: told }) : words.alikeNowhere);
  refresh();
}

async function anew() {
  album.clear();
  await trying(store.forget);
  choose(null);
}

function fullScreen() {
  const full = body.classList.toggle("full");
  if (full) document.documentElement.requestFullscreen?.().catch(() => {});
  else if (document.fullscreenElement) document.exitFullscreen();
}

function shortcuts(event) {
  if (!item || event.target.matches("input:not([type=range],[type=checkbox])") || get("sure").open) return;
  const key = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
  if (command && key === "z") step(event.shiftKey ? "redo" : "undo");
  else if (command && key === "y") step("redo");
  else if (command || event.altKey) return;
  else if (key === "o") stage.hold(true);
  else if (key === "+" || key === "=") stage.in();
  else if (key === "-") stage.out();
  else if (key === "f") fullScreen();
  else if (key === "escape" && body.classList.contains("full")) fullScreen();
  else if (key === "escape" && correction.taking) get("stop").click();
  else return;
  event.preventDefault();
}

function listen() {
  const click = (id, action) => get(id).addEventListener("click", action);
  const files = (id, action) => get(id).addEventListener("change", ({ target }) => {
    if (target.files.length) action(target.files);
    target.value = "";
  });
  for (const id of ["add", "choose"]) click(id, () => get("file").click());
  click("camera", () => get("shot").click());
  files("file", add);
  files("shot", add);
  click("undo", () => step("undo"));
  click("redo", () => step("redo"));
  click("in", stage.in);
  click("out", stage.out);
  click("full", fullScreen);
  click("versions", versions);
  click("guess", () => ((guessing = !guessing), draw(), refresh()));
  let another = null;
  files("other", ([file]) => another(file));
  click("like", () => {
    if (now().reference) return wish({ reference: null });
    another = (file) => wish({ reference: file });
    get("other").click();
  });
  correction.popover.on.elsewhere = () => ((another = (file) => correction.take(file)), get("other").click());
  click("save", save);
  click("zip", saveAll), click("alike", alike);
  click("cancel", () => album.cancel());
  click("anew", () => {
    get("sure").returnValue = ""; // what was answered before
    get("sure").showModal();
  });
  get("sure").addEventListener("close", () => get("sure").returnValue === "yes" && anew());
  get("strength").addEventListener("input", () => strength(false));
  get("strength").addEventListener("change", () => strength(true));
  for (const range of document.querySelectorAll("input[type=range]")) byIntent(range);
  for (const type of ["pointerdown", "pointerup", "pointercancel", "pointerleave", "blur"]) {
    get("original").addEventListener(type, () => stage.hold(type === "pointerdown"));
  }
  get("original").addEventListener("keydown", ({ key }) => (key === " " || key === "Enter") && stage.hold(true));
  document.addEventListener("keyup", () => stage.hold(false));
  document.addEventListener("keydown", shortcuts);
  document.addEventListener("fullscreenchange", () => document.fullscreenElement || body.classList.remove("full"));
  document.addEventListener("paste", ({ clipboardData }) => clipboardData.files.length && add(clipboardData.files));
  document.addEventListener("dragover", (event) => (event.preventDefault(), body.classList.add("over")));
  document.addEventListener("dragleave", (event) => event.relatedTarget || body.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    body.classList.remove("over");
    add(event.dataTransfer.files);
  });
}

function samples() {
  for (const [name, title] of Object.entries(words.sampleNames)) {
    const button = document.createElement("button"), image = new Image();
    Object.assign(image, { src: `samples/${name}.jpg`, alt: fill(words.sample, { name: title }) });
    button.append(image);
    button.addEventListener("click", () => trying(async () => {
      const blob = await (await fetch(image.src)).blob();
      await add([new File([blob], `${name}.jpg`, { type: blob.type })]);
    }));
    get("samples").append(button);
  }
}

async function start() {
  dress(document);
  const config = await (await fetch("engine.json")).json();
  engine = await (await import(`./engine_${config.engine}.js`)).open(config);
  engine.onbusy = (n) => show(fill(words.busy, { n }));
  get("notice").textContent = words.notice[config.engine];
  stage = new Stage();
  album = new Album(get("album").firstElementChild, engine, { changed, chosen: choose });
  correction = new Correction(stage, engine, { item: () => item, wish, present, refresh });
  mending = new Mending(stage, engine, { item: () => item, wish, refresh });
  saving = new Saving(engine);
  films = new Films(get("film"), engine, (one, text) => one === item && banner(text, words.cancel, () => one.work.abort()));
  stage.oncursor = () => {
    const { x, y } = stage.cursor, name = colourName(rgbToLab(stage.pixel(x, y, true).map((v) => v / 255)));
    say(fill(words.cursor, { name, x: Math.round(100 * x), y: Math.round(100 * y) }));
  };
  listen();
  samples();
  for (const { id, file, wishes } of (await trying(store.kept)) ?? []) album.add(file, id, wishes);
  await choose(album.items[0] ?? null);
  album.fill();
}

start().catch((error) => show(fill(words.noStart, { why: error.message })));
