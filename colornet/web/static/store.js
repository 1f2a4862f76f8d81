/** Photos and their corrections in the browser's own database, so that a reload loses nothing. */

const done = (request) => new Promise((good, bad) => {
  request.onsuccess = () => good(request.result);
  request.onerror = () => bad(request.error);
});

let opened;
async function stores(mode, ...names) {
  opened ??= new Promise((good, bad) => {
    const request = indexedDB.open("colornet", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("files");
      request.result.createObjectStore("wishes");
    };
    request.onsuccess = () => good(request.result);
    request.onerror = () => bad(request.error);
  });
  const work = (await opened).transaction(names, mode);
  return names.map((name) => work.objectStore(name));
}

/** Keeps a photo. @param {number} id @param {File} file */
export async function keepFile(id, file) {
  const [files] = await stores("readwrite", "files");
  await done(files.put(file, id));
}

/** Keeps what is wished of a photo. @param {number} id @param {object} wishes */
export async function keepWishes(id, wishes) {
  const [all] = await stores("readwrite", "wishes");
  await done(all.put(wishes, id));
}

/** @returns {Promise<{id:number, file:File, wishes:object}[]>} all that is kept, in order */
export async function kept() {
  const [files, wishes] = await stores("readonly", "files", "wishes");
  const [ids, all] = await Promise.all([done(files.getAllKeys()), done(files.getAll())]);
  return Promise.all(ids.map(async (id, i) => ({ id, file: all[i], wishes: await done(wishes.get(id)) })));
}

/** A small thing that the browser remembers between visits, where it may. */
export function remembered(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // then for this visit alone
  }
}

/** Forgets everything. */
export async function forget() {
  for (const store of await stores("readwrite", "files", "wishes")) store.clear();
}
