"""The site on a plain host, and an empty page of it, for what needs no more than its modules."""

import base64
import functools
import http.server
import threading
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

from colornet.errors import NotInstalled
from colornet.web import site as sites

# Arrays go to the browser and back as base64.
HELPERS = """
window.bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
window.floats = (text) => new Float32Array(bytes(text).buffer);
window.text = (array) => {
  const all = new Uint8Array(array.buffer ?? array);
  let out = "";
  for (let i = 0; i < all.length; i += 32768) {
    out += String.fromCharCode(...all.slice(i, i + 32768));
  }
  return btoa(out);
};
window.file = (text, name) => new File([bytes(text)], name);
"""


def send(array):
    """An array, or bytes, for `floats` and `bytes` of HELPERS."""
    return base64.b64encode(array if isinstance(array, bytes) else array.tobytes()).decode()


def got(text, *shape):
    """A float32 array that `text` of HELPERS sent."""
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(shape)


def png(pixels):
    return cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)[1].tobytes()


def of_png(text):
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR_RGB)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A plain host; blank.html is an empty page, for what needs none but the modules."""

    def log_message(self, *_):
        pass

    def end_headers(self):
        self.send_header("Content-Security-Policy", sites.POLICY)
        super().end_headers()

    def do_GET(self):
        if not self.path.endswith("/blank.html"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel='icon' href='icon.svg'>")


def packages(folder):
    """What npm brings for the site; without npm or a network the tests are skipped."""
    try:
        return sites.fetch_packages(folder)
    except (NotInstalled, OSError) as error:
        pytest.skip(f"no site can be made here: {error}")


def made(folder, packages):
    """`make_site`, which fetches no packages again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sites, "fetch_packages", lambda _: packages)
        return sites.make_site(folder)


@contextmanager
def hosted(site):
    """The address of a site two folders below the root of its host, as on GitHub Pages."""
    handler = functools.partial(Handler, directory=site.parents[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/{site.parent.name}/{site.name}/"
    server.shutdown()


def blank(browser, url):
    """An empty page of a site."""
    page = browser.new_page()
    page.add_init_script(HELPERS)
    page.goto(url + "blank.html")
    return page
