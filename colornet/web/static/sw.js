/** Keeps the page on the device, so that it works offline. `site.py` writes SITE in front. */

const NAME = `colornet ${self.registration.scope} `; // other sites may share the host
const open = () => caches.open(NAME + SITE.version);

self.addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await open();
    await cache.addAll(SITE.files.map((file) => new Request(file, { cache: "no-cache" })));
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  const take = async () => {
    const old = (name) => name.startsWith(NAME) && name !== NAME + SITE.version;
    for (const name of (await caches.keys()).filter(old)) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(take());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  const answer = async () => {
    const cache = await open();
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    const fresh = await fetch(request);
    if (fresh.status === 200) await cache.put(request, fresh.clone());
    return fresh;
  };
  event.respondWith(answer());
});
