"""The web page: a grey photo in, its colours out. Nothing leaves the machine."""

import os
import tempfile
import zipfile
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import av  # noqa: E402
import cv2  # noqa: E402
import gradio as gr  # noqa: E402
import numpy as np  # noqa: E402

from colornet import bins, lab, steer  # noqa: E402
from colornet.colorize import (  # noqa: E402
    NETWORK,
    ONE_ANSWER,
    colorize,
    compose,
    network_input,
)
from colornet.hints import Hint, parse  # noqa: E402
from colornet.metrics import luma  # noqa: E402
from colornet.photos import Photo, PhotoError, read_photo, write_photo  # noqa: E402
from colornet.samples import SAMPLES, sample  # noqa: E402
from colornet.video import colorize_video  # noqa: E402

MEGABYTES, MEGAPIXELS, PHOTOS = 60, 100, 20  # the most of a file, of a photo, at once
OTHERS, SECONDS = 4, 60  # variants; the most of a film
SHOWN = 1200  # pixels: the longer side of what the page shows
TONED, COLOURED = 4, 12  # ab units: mean chroma, and its spread, of what is more than grey
SWATCH, SUGGESTIONS, APART = 64, 6, 15  # pixels; how many, and how far apart in ab
QUEUE, KEPT = 40, 3600  # visitors that wait; seconds that photos are kept
NOTE = "Colours are plausible, not evidence of what was there. Photos stay on this machine."


def read(path):
    """A photo within the limits; the size is asked of the header, before anything is decoded.

    Raises:
        gr.Error: with a sentence for the visitor.
    """
    if path is None:
        raise gr.Error("Choose a photo first.")
    name = Path(path).name
    try:
        if Path(path).stat().st_size > MEGABYTES * 10**6:
            raise PhotoError(f"{name}: is over {MEGABYTES} MB; make it smaller first")
        return read_photo(path, MEGAPIXELS * 10**6)
    except PhotoError as error:
        raise gr.Error(str(error).replace(str(path), name)) from None


def describe(photo):
    """What the page says of a photo at once: size, depth, grey or not, and what will happen."""
    height, width = photo.pixels.shape[:2]
    words = [f"{width} x {height} pixels, {8 * photo.pixels.itemsize} bits"]
    small = cv2.resize(photo.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    peak = np.float32(np.iinfo(small.dtype).max)
    ab = lab.rgb_to_lab(small / peak)[..., 1:] if small.ndim == 3 else np.zeros((1, 1, 2))
    if np.hypot(*np.moveaxis(ab, -1, 0)).mean() < TONED:
        words.append("grey")
    elif np.hypot(*ab.std((0, 1))) < COLOURED:
        words.append("toned, such as sepia: the tone is taken out before the colours come in")
    else:
        words.append("in colour: its colours are not looked at, its grey version is coloured anew")
    return "; ".join(words) + "."


def shown(photo):
    """The photo's pixels for the screen, uint8, grey or RGB."""
    pixels = photo.pixels if photo.pixels.dtype == np.uint8 else (photo.pixels >> 8).astype(np.uint8)
    scale = SHOWN / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def seconds(path):
    """How long a film says that it lasts; 0 where it does not say."""
    try:
        with av.open(path) as film:
            return (film.duration or 0) / av.time_base
    except av.FFmpegError:
        return 0  # no film: colorize_video says so


def grey(pixels):
    """Pixels at their own L, without colour."""
    return compose(pixels, np.zeros((8, 8, 2), np.float32))


def examples():
    """The sample photos made grey, as files."""
    folder = Path(tempfile.mkdtemp(prefix="colornet-"))
    for name in SAMPLES:
        write_photo(folder / f"{name}.png", Photo(luma(sample(name))))
    return [str(folder / f"{name}.png") for name in SAMPLES]


def build(network):
    """The page for a network over bins, as Gradio's Blocks.

    Raises:
        ValueError: a network that gives one answer alone.
    """
    prior = steer.prior(network)
    if prior is None:
        raise ValueError(f"{network.name}: {ONE_ANSWER}")

    def logits(pixels, hints):
        x = network_input(network, pixels, hints)
        with NETWORK:
            return steer.up_to_logits(network).predict_on_batch(x)

    def ab_of(state, vividness):
        return steer.colour(state["logits"], prior, vividness, state["unhinted"])[0]

    def recolour(state, vividness):
        """Before and after, and the picture to click at; the network does not run."""
        if not state:
            return None, None
        colour = compose(state["pixels"], ab_of(state, vividness))
        marked = colour.copy()
        for hint in state["hints"]:
            place = round(hint.x), round(hint.y)
            cv2.circle(marked, place, 8, (255, 255, 255), 4, cv2.LINE_AA)
            cv2.circle(marked, place, 8, (0, 0, 0), 2, cv2.LINE_AA)
        return (grey(state["pixels"]), colour), marked

    def answer(state, hints, vividness):
        """State with these hints, then as `recolour`."""
        if not state:
            raise gr.Error("Choose a photo first.")
        own = state["own"]
        told = logits(state["pixels"], hints) if hints else own
        state = state | dict(hints=hints, logits=told, unhinted=own if hints else None)
        return state, *recolour(state, vividness)

    def open_photo(path, vividness):
        if path is None:
            return None, "", None, None
        photo = read(path)
        pixels = shown(photo)
        state = dict(path=path, pixels=pixels, own=logits(pixels, ()))
        state, pair, marked = answer(state, [], vividness)
        return state, describe(photo), pair, marked

    def suggest(state, event: gr.SelectData):
        """The likeliest colours of the place that was clicked, as swatches."""
        if not state:
            raise gr.Error("Choose a photo first.")
        x, y = event.index[:2]
        height, width = state["pixels"].shape[:2]
        one = state["logits"][0]
        chances = one[int(y * one.shape[0] / height), int(x * one.shape[1] / width)]
        found = []
        for i in np.argsort(-chances):
            if all(np.hypot(*(bins.centres()[i] - other)) > APART for other in found):
                found.append(bins.centres()[i])
            if len(found) == SUGGESTIONS:
                break
        L = lab.lightness(grey(state["pixels"])[y, x].astype(np.float32) / 255)
        rgb = lab.lab_to_rgb(np.float32([[L, *ab] for ab in found]))
        swatches = [np.tile(np.uint8(np.round(colour * 255)), (SWATCH, SWATCH, 1)) for colour in rgb]
        text = f"Place {x}, {y}: choose a colour that is likely there, or any other."
        return state | dict(place=(x, y), suggested=found), swatches, text

    def tell(state, ab, vividness):
        if not state or "place" not in state:
            raise gr.Error("Click at a place of the coloured photo first.")
        hint = Hint(*state["place"], tuple(float(value) for value in ab))
        return answer(state, [*state["hints"], hint], vividness)

    def take(state, vividness, event: gr.SelectData):
        return tell(state, state["suggested"][event.index], vividness)

    def pick(state, colour, vividness):
        return tell(state, parse(f"0,0,{colour}").ab, vividness)

    def undo(state, vividness):
        return answer(state, state["hints"][:-1] if state else [], vividness)

    def clear(state, vividness):
        return answer(state, [], vividness)

    def others(state, vividness):
        """Other answers to the photo, each coherent in itself."""
        if not state:
            raise gr.Error("Choose a photo first.")
        x = network_input(network, state["pixels"])
        with NETWORK:
            several = steer.variants(network, x, OTHERS + 1)[1:]
        colours = steer.colour(several, prior, vividness)
        return state | dict(several=several), [compose(state["pixels"], ab) for ab in colours]

    def choose(state, vividness, event: gr.SelectData):
        chosen = state["several"][event.index][None]
        state = state | dict(hints=[], logits=chosen, unhinted=None)
        return state, *recolour(state, vividness)

    def confidence(state):
        """Yellow where the network is sure, blue where it guesses, over the photo in grey."""
        if not state:
            raise gr.Error("Choose a photo first.")
        pixels = grey(state["pixels"])
        sure = np.uint8(np.round(255 * steer.confidence(state["logits"])[0]))
        sure = cv2.resize(sure, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return pixels // 2 + cv2.applyColorMap(sure, cv2.COLORMAP_CIVIDIS)[..., ::-1] // 2

    def film(path, vividness, progress=gr.Progress(track_tqdm=True)):
        if path is None:
            raise gr.Error("Choose a film first.")
        target = Path(tempfile.mkdtemp(dir=Path(path).parent)) / f"{Path(path).stem}-coloured.mp4"
        try:
            if (length := seconds(path)) > SECONDS:
                raise ValueError(
                    f"{path}: lasts {length:.0f} seconds; the page takes {SECONDS}, the command "
                    "line any"
                )
            colorize_video(network, path, target, vividness)
        except (ValueError, OSError) as error:
            raise gr.Error(str(error).replace(str(path), Path(path).name)) from None
        return str(target)

    def download(state, vividness, kind, quality):
        if not state:
            raise gr.Error("Choose a photo first.")
        photo = read(state["path"])
        colour = compose(photo.pixels, ab_of(state, vividness))  # the colours that were seen
        result = Photo(colour, photo.alpha, photo.icc, photo.exif)
        path = Path(tempfile.mkdtemp(dir=Path(state["path"]).parent)) / (
            Path(state["path"]).stem + "-coloured" + (".png" if kind == "PNG" else ".jpg")
        )
        try:
            write_photo(path, result, int(quality))
        except PhotoError as error:
            raise gr.Error(str(error).replace(str(path), path.name)) from None
        return str(path)

    def several(paths, vividness, progress=gr.Progress()):
        if not paths:
            raise gr.Error("Choose some photos first.")
        if len(paths) > PHOTOS:
            raise gr.Error(f"{len(paths)} photos: choose {PHOTOS} at most.")
        folder = Path(tempfile.mkdtemp(dir=Path(paths[0]).parent))
        gallery, lines = [], []
        with zipfile.ZipFile(folder / "coloured.zip", "w", zipfile.ZIP_STORED) as archive:
            for number, path in enumerate(progress.tqdm(paths, unit="photo"), 1):
                name = f"{number:02d}-{Path(path).stem}.png"
                try:
                    result = colorize(network, read(path), vividness)
                    write_photo(folder / name, result)
                except (gr.Error, PhotoError) as error:
                    lines.append(f"- {getattr(error, 'message', error)}")
                    continue
                archive.write(folder / name, name)
                (folder / name).unlink()
                gallery.append(shown(result))
        lines.insert(0, f"{len(gallery)} of {len(paths)} photos coloured.")
        return gallery, str(folder / "coloured.zip") if gallery else None, "\n".join(lines)

    with gr.Blocks(title="colornet", analytics_enabled=False, delete_cache=(600, KEPT)) as page:
        gr.Markdown(f"# colornet\nGives a grey photo plausible colours. {NOTE}")
        with gr.Tab("One photo"):
            state = gr.State(None, time_to_live=KEPT)
            with gr.Row():
                with gr.Column(scale=1):
                    photo = gr.Image(
                        type="filepath", image_mode=None, label="Photo",
                        sources=["upload", "clipboard", "webcam"], elem_id="photo",
                    )
                    said = gr.Markdown(elem_id="said")
                    vividness = gr.Slider(
                        0, 1, steer.VIVIDNESS, step=0.05, label="Vividness: safe to vivid",
                        elem_id="vividness",
                    )
                    gr.Examples(examples(), photo, label="Or try one of these")
                with gr.Column(scale=2):
                    pair = gr.ImageSlider(label="Before and after", format="jpeg", elem_id="pair")
                    with gr.Row():
                        kind = gr.Radio(["PNG", "JPEG"], value="PNG", label="Download as")
                        quality = gr.Slider(50, 100, 95, step=1, label="JPEG quality")
                    save = gr.Button("Make the file, at the photo's own size", elem_id="save")
                    file = gr.File(label="Coloured photo", height=110, elem_id="file")
            with gr.Accordion("Correct a colour", open=False, elem_id="correct"):
                place = gr.Markdown("Click at a place of the coloured photo.", elem_id="place")
                marked = gr.Image(
                    label="Coloured photo", interactive=False, format="jpeg", elem_id="marked"
                )
                swatches = gr.Gallery(
                    label="Likely there", columns=SUGGESTIONS, height=110, allow_preview=False,
                    elem_id="swatches",
                )
                with gr.Row():
                    colour = gr.ColorPicker("#b03030", label="Any other colour", elem_id="colour")
                    use = gr.Button("Use it", elem_id="use")
                    back = gr.Button("Undo", elem_id="undo")
                    none = gr.Button("Clear", elem_id="clear")
            with gr.Accordion("Other answers", open=False, elem_id="others"):
                gr.Markdown(
                    "Drawn from what the network thinks possible, likely or not. A hint begins again "
                    "with the first answer."
                )
                find = gr.Button(f"Find {OTHERS} others", elem_id="find")
                variants = gr.Gallery(
                    label="Choose one", columns=OTHERS, allow_preview=False, format="jpeg",
                    height="auto", elem_id="variants",
                )
            with gr.Accordion("How sure is the network?", open=False, elem_id="sure"):
                show = gr.Button("Show it", elem_id="show")
                sure = gr.Image(
                    label="Yellow: sure; blue: a guess", interactive=False, elem_id="confidence"
                )
            looks = [pair, marked]
            find.click(others, [state, vividness], [state, variants], api_name=False)
            variants.select(choose, [state, vividness], [state, *looks], api_name=False)
            show.click(confidence, state, sure, api_name=False)
            photo.change(open_photo, [photo, vividness], [state, said, *looks], api_name="open")
            # Gradio would decode the file itself, before the limits are looked at.
            photo.preprocess = lambda payload: payload and payload.path
            vividness.change(
                recolour, [state, vividness], looks,
                api_name=False, trigger_mode="always_last", show_progress="hidden",
            )
            marked.select(suggest, [state], [state, swatches, place], api_name=False)
            swatches.select(take, [state, vividness], [state, *looks], api_name=False)
            use.click(pick, [state, colour, vividness], [state, *looks], api_name=False)
            back.click(undo, [state, vividness], [state, *looks], api_name=False)
            none.click(clear, [state, vividness], [state, *looks], api_name=False)
            save.click(download, [state, vividness, kind, quality], file, api_name="download")
        with gr.Tab("Several photos"):
            many = gr.File(file_count="multiple", file_types=["image"], label="Photos")
            start = gr.Button("Colour them")
            report, archive = gr.Markdown(), gr.File(label="All of them, as PNG in one zip")
            gallery = gr.Gallery(label="Coloured", columns=3, format="jpeg")
            start.click(several, [many, vividness], [gallery, archive, report], api_name="several")
        with gr.Tab("A film"):
            gr.Markdown(f"Up to {SECONDS} seconds; two cores colour 7 to 9 frames a second.")
            old = gr.File(file_types=["video"], label="Film", elem_id="film")
            run = gr.Button("Colour it", elem_id="run")
            new = gr.Video(label="Coloured", interactive=False, elem_id="coloured")
            run.click(film, [old, vividness], new, api_name="film")
    return page


def serve(network, host="127.0.0.1", port=7860):
    """Serves the page until interrupted.

    Raises:
        OSError: the port is taken.
    """
    page = build(network).queue(max_size=QUEUE, default_concurrency_limit=os.cpu_count())
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        max_file_size=MEGABYTES * 10**6,
        footer_links=["api"],
    )
