"""The web page: a grey photo in, its colours out. Nothing leaves the machine."""

import os
import tempfile
import zipfile
from pathlib import Path

import av
import cv2
import gradio as gr
import numpy as np

from colornet.color import lab
from colornet.color.hints import as_hint
from colornet.color.lab import luma
from colornet.data.samples import SAMPLES, sample
from colornet.errors import PhotoError, one_line
from colornet.inference.compose import without_colour
from colornet.inference.steering import VIVIDNESS, Steering
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits
from colornet.photos.write import write_photo
from colornet.video.film import FilmOrder, colorize_video
from colornet.video.streams import open_film

MEGABYTES, MEGAPIXELS, PHOTOS = 60, 100, 20  # the most of a file, of a photo, at once
FILM_SECONDS, WORK_MINUTES = 60, 10  # the most that a film may last, and its work take
FRAME, PIXEL = 0.07, 0.07e-6  # seconds of work for a frame, and for each of its pixels
OTHERS = 4  # variants
SHOWN = 1200  # pixels: the longer side of what the page shows
TONED, COLOURED = 4, 12  # ab units: mean chroma, and its spread, of what is more than grey
SWATCH, SUGGESTIONS = 64, 6  # pixels; how many
QUEUE = 40  # visitors that wait
SWEEP, KEPT = 600, 3600  # seconds between looks for old photos, and until a photo is old
BUTTONS = ["download", "fullscreen"]  # Gradio's others would share photos elsewhere
NOTE = "Colours are plausible, not evidence of what was there. Photos stay on this machine."


def read(path):
    """A photo within the limits; the size is asked of the header, before anything is decoded.

    Raises:
        gr.Error: with a sentence for the visitor.
    """
    if path is None:
        raise gr.Error("Choose a photo first.")
    name = Path(path).name
    if not Path(path).exists():
        raise gr.Error(f"{name}: was removed after {KEPT // 60} minutes; choose it again.")
    try:
        if Path(path).stat().st_size > MEGABYTES * 10**6:
            raise PhotoError(f"{name}: is over {MEGABYTES} MB; make it smaller first")
        return read_photo(path, MEGAPIXELS * 10**6)
    except PhotoError as error:
        raise gr.Error(str(error).replace(one_line(path), name)) from None


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
    if photo.pictures > 1:
        words.append(f"the first of {photo.pictures} pictures")
    words += photo.notes
    return "; ".join(words) + "."


def shown(photo):
    """The photo's pixels for the screen, uint8, grey or RGB."""
    pixels = eight_bits(photo.pixels)
    scale = SHOWN / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def beside(path, name):
    """A path for a visitor's new file: in a folder of its own, which is swept with the rest.

    Gradio would name it by its content, and so write over the file of a visitor with the same photo
    while it is read.
    """
    return Path(tempfile.mkdtemp(dir=Path(path).parent)) / name


def picture(pixels, path, name="coloured.jpg"):
    """Pixels as a file for the screen."""
    file = beside(path, name)
    write_photo(file, Photo(pixels))
    return str(file)


def check_film(path):
    """Raises ValueError where a film, by its header, would keep the others waiting for too long."""
    try:
        with open_film(path) as film:
            length = (film.duration or 0) / av.time_base
            stream = film.streams.video[0]
            frames = length * float(stream.guessed_rate or 25)
            work = frames * (FRAME + PIXEL * stream.width * stream.height)
    except (av.FFmpegError, IndexError):
        return  # no film: colorize_video says so
    rest = "; the command line takes any: python -m colornet video"
    if not length:
        raise ValueError(f"{path}: does not say how long it lasts{rest}")
    if length > FILM_SECONDS:
        raise ValueError(f"{path}: lasts {length:.0f} seconds, the page takes {FILM_SECONDS}{rest}")
    if work > 60 * WORK_MINUTES:
        raise ValueError(
            f"{path}: takes {work / 60:.0f} minutes, the page gives {WORK_MINUTES}{rest}"
        )


def examples():
    """The sample photos made grey, as files."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR"), prefix="examples-"))
    for name in SAMPLES:
        write_photo(folder / f"{name}.png", Photo(luma(sample(name))))
    return [str(folder / f"{name}.png") for name in SAMPLES]


def build(colorizer):
    """The page for a `Colorizer`, as Gradio's Blocks.

    Networks over bins can be steered: vividness, hints, other answers, how sure they are. Of one
    that gives a single answer the page shows just that.
    """
    steered = colorizer.has_bins

    def painted(state, vividness, photo=None):
        return state["answer"].paint(vividness if steered else None, photo=photo).pixels

    def opened(state):
        if not state:
            raise gr.Error(f"Choose a photo first; it is removed after {KEPT // 60} minutes.")
        return state

    def recolour(state, vividness):
        """Before and after, and the picture to click at; the network does not run."""
        if not state:
            return None, None
        colour = painted(state, vividness)
        marked = colour.copy()
        for hint in state["answer"].hints:
            place = round(hint.x), round(hint.y)
            cv2.circle(marked, place, 8, (255, 255, 255), 4, cv2.LINE_AA)
            cv2.circle(marked, place, 8, (0, 0, 0), 2, cv2.LINE_AA)
        after = picture(colour, state["path"])
        hinted = state["answer"].hints
        return (state["grey"], after), picture(marked, state["path"]) if hinted else after

    def answer(state, hints, vividness):
        """State with these hints, then as `recolour`."""
        own = opened(state)["own"]
        told = colorizer.predict(own.photo, hints) if hints else own
        state = state | dict(answer=told)
        return state, *recolour(state, vividness)

    def open_photo(path, vividness):
        if path is None:
            return None, "", None, None
        photo = read(path)
        pixels = shown(photo)
        before = picture(without_colour(pixels), path, "grey.jpg")
        state = dict(path=path, grey=before, own=colorizer.predict(Photo(pixels)))
        state, pair, marked = answer(state, [], vividness)
        return state, describe(photo), pair, marked

    def clicked(event: gr.SelectData):
        return event.index[0], event.index[1]

    def suggest(state, x, y):
        """The likeliest colours of a place, as swatches."""
        pixels = opened(state)["own"].photo.pixels
        height, width = pixels.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            raise gr.Error(f"Choose a place within the picture of {width} x {height}.")
        found = state["answer"].likely(x, y, SUGGESTIONS)
        L = lab.lightness(without_colour(pixels)[int(y), int(x)].astype(np.float32) / 255)
        rgb = lab.lab_to_rgb(np.float32([[L, *hint.ab] for hint in found]))
        swatches = [
            picture(np.tile(np.uint8(np.round(one * 255)), (SWATCH, SWATCH, 1)), state["path"])
            for one in rgb
        ]
        return state | dict(suggested=found), swatches

    def tell(state, hint, vividness):
        return answer(state, [*state["answer"].hints, hint], vividness)

    def take(state, vividness, event: gr.SelectData):
        return tell(state, opened(state)["suggested"][event.index], vividness)

    def pick(state, colour, vividness):
        if "suggested" not in opened(state):
            raise gr.Error("Click at a place of the coloured photo first.")
        place = state["suggested"][0]
        return tell(state, as_hint((place.x, place.y, colour)), vividness)

    def undo(state, vividness):
        return answer(state, opened(state)["answer"].hints[:-1], vividness)

    def clear(state, vividness):
        return answer(state, [], vividness)

    def others(state, vividness):
        """Other answers to the photo, each coherent in itself."""
        several = colorizer.variants(opened(state)["own"].photo, OTHERS + 1)[1:]
        pictures = [picture(one.paint(vividness).pixels, state["path"]) for one in several]
        return state | dict(several=several), pictures

    def choose(state, vividness, event: gr.SelectData):
        state = state | dict(answer=opened(state)["several"][event.index])
        return state, *recolour(state, vividness)

    def confidence(state):
        """Yellow where the network is sure, blue where it guesses, over the photo in grey."""
        pixels = without_colour(opened(state)["own"].photo.pixels)
        sure = np.uint8(np.round(255 * state["answer"].confidence()))
        sure = cv2.resize(sure, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        sure = cv2.applyColorMap(sure, cv2.COLORMAP_CIVIDIS)[..., ::-1]
        return picture(pixels // 2 + sure // 2, state["path"], "confidence.jpg")

    def film(path, vividness, progress=gr.Progress(track_tqdm=True)):
        if path is None:
            raise gr.Error("Choose a film first.")
        target = beside(path, f"{Path(path).stem}-coloured.mp4")

        def named(line):
            gr.Info(line.replace(str(path), Path(path).name))

        try:
            check_film(path)
            order = FilmOrder(vividness if steered else None)
            colorize_video(colorizer, path, target, order, named)
        except (ValueError, OSError) as error:
            raise gr.Error(str(error).replace(str(path), Path(path).name)) from None
        return str(target)

    def download(state, vividness, kind, quality):
        photo = read(opened(state)["path"])
        colour = painted(state, vividness, photo)  # the colours that were seen
        if kind == "JPEG":
            if photo.alpha is not None:
                raise gr.Error("JPEG cannot hold transparency, which this photo has; choose PNG.")
            colour = eight_bits(colour)
        result = photo._replace(pixels=colour)
        name = f"{Path(state['path']).stem}-coloured{'.png' if kind == 'PNG' else '.jpg'}"
        path = beside(state["path"], name)
        try:
            write_photo(path, result, int(quality))
        except PhotoError as error:
            raise gr.Error(str(error).replace(one_line(path), name)) from None
        return str(path)

    def several(paths, vividness, progress=gr.Progress()):
        if not paths:
            raise gr.Error("Choose some photos first.")
        if len(paths) > PHOTOS:
            raise gr.Error(f"{len(paths)} photos: choose {PHOTOS} at most.")
        target = beside(paths[0], "coloured.zip")
        gallery, lines = [], []
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for number, path in enumerate(progress.tqdm(paths, unit="photo"), 1):
                name = f"{number:02d}-{Path(path).stem}.png"
                try:
                    wanted = Steering(vividness if steered else None)
                    result = colorizer.colorize(read(path), wanted)
                    write_photo(target.with_name(name), result)
                except (gr.Error, PhotoError) as error:
                    lines.append(f"- {getattr(error, 'message', error)}")
                    continue
                archive.write(target.with_name(name), name)
                target.with_name(name).unlink()
                gallery.append(picture(shown(result), path))
        lines.insert(0, f"{len(gallery)} of {len(paths)} photos coloured.")
        return gallery, str(target) if gallery else None, "\n".join(lines)

    with gr.Blocks(title="colornet", analytics_enabled=False, delete_cache=(SWEEP, KEPT)) as page:
        gr.Markdown(f"# colornet\nGives a grey photo plausible colours. {NOTE}")
        with gr.Tab("One photo"):
            state = gr.State(None, time_to_live=KEPT)
            with gr.Row():
                with gr.Column(scale=1):
                    photo = gr.Image(
                        type="filepath",
                        image_mode=None,
                        label="Photo",
                        sources=["upload", "clipboard", "webcam"],
                        elem_id="photo",
                    )
                    said = gr.Markdown(elem_id="said")
                    vividness = gr.Slider(
                        0,
                        1,
                        VIVIDNESS,
                        step=0.05,
                        label="Vividness: safe to vivid",
                        elem_id="vividness",
                        visible=steered,
                    )
                    gr.Examples(examples(), photo, label="Or try one of these")
                with gr.Column(scale=2):
                    pair = gr.ImageSlider(label="Before and after", elem_id="pair")
                    with gr.Row():
                        kind = gr.Radio(["PNG", "JPEG"], value="PNG", label="Download as")
                        quality = gr.Slider(50, 100, 95, step=1, label="JPEG quality")
                    save = gr.Button("Make the file, at the photo's own size", elem_id="save")
                    file = gr.File(label="Coloured photo", height=110, elem_id="file")
            with gr.Accordion("Correct a colour", open=False, elem_id="correct", visible=steered):
                gr.Markdown("Click at a place, or say which; then choose its colour.")
                marked = gr.Image(
                    label="Coloured photo", interactive=False, buttons=BUTTONS, elem_id="marked"
                )
                with gr.Row():
                    x = gr.Number(0, label="Pixels from the left", precision=0, elem_id="x")
                    y = gr.Number(0, label="Pixels from the top", precision=0, elem_id="y")
                    look = gr.Button("What is likely there?", elem_id="look")
                swatches = gr.Gallery(
                    label="Likely there",
                    columns=SUGGESTIONS,
                    height=110,
                    allow_preview=False,
                    buttons=[],
                    elem_id="swatches",
                )
                with gr.Row():
                    colour = gr.ColorPicker("#b03030", label="Any other colour", elem_id="colour")
                    use = gr.Button("Use it", elem_id="use")
                    back = gr.Button("Undo", elem_id="undo")
                    none = gr.Button("Clear", elem_id="clear")
            with gr.Accordion("Other answers", open=False, elem_id="others", visible=steered):
                gr.Markdown(
                    "Drawn from what the network thinks possible, likely or not. A hint begins "
                    "again with the first answer."
                )
                find = gr.Button(f"Find {OTHERS} others", elem_id="find")
                variants = gr.Gallery(
                    label="Choose one",
                    columns=OTHERS,
                    allow_preview=False,
                    height="auto",
                    buttons=[],
                    elem_id="variants",
                )
            with gr.Accordion(
                "How sure is the network?", open=False, elem_id="sure", visible=steered
            ):
                show = gr.Button("Show it", elem_id="show")
                sure = gr.Image(
                    label="Yellow: sure; blue: a guess",
                    interactive=False,
                    buttons=BUTTONS,
                    elem_id="confidence",
                )
            looks = [pair, marked]
            find.click(others, [state, vividness], [state, variants], api_name=False)
            variants.select(choose, [state, vividness], [state, *looks], api_name=False)
            show.click(confidence, state, sure, api_name=False)
            new = [state, said, *looks]
            opening = photo.change(open_photo, [photo, vividness], new, api_name="open")
            opening.failure(lambda: (None, "", None, None), None, new, api_name=False)
            of_the_last = [swatches, variants, sure, file]
            photo.change(lambda: [None] * 4, None, of_the_last, api_name=False)
            # Gradio would decode the file itself, before the limits are looked at.
            photo.preprocess = lambda payload: payload and payload.path
            vividness.change(
                recolour,
                [state, vividness],
                looks,
                api_name="vividness",
                trigger_mode="always_last",
                show_progress="hidden",
            )
            place = [state, x, y]
            marked.select(clicked, None, [x, y], api_name=False).then(
                suggest, place, [state, swatches], api_name=False
            )
            look.click(suggest, place, [state, swatches], api_name=False)
            swatches.select(take, [state, vividness], [state, *looks], api_name=False)
            use.click(pick, [state, colour, vividness], [state, *looks], api_name=False)
            back.click(undo, [state, vividness], [state, *looks], api_name=False)
            none.click(clear, [state, vividness], [state, *looks], api_name=False)
            save.click(download, [state, vividness, kind, quality], file, api_name="download")
        with gr.Tab("Several photos"):
            many = gr.File(file_count="multiple", file_types=["image"], label="Photos")
            start = gr.Button("Colour them")
            report, archive = gr.Markdown(), gr.File(label="All of them, as PNG in one zip")
            gallery = gr.Gallery(label="Coloured", columns=3, buttons=BUTTONS)
            start.click(several, [many, vividness], [gallery, archive, report], api_name="several")
        with gr.Tab("A film"):
            gr.Markdown(f"Up to {FILM_SECONDS} seconds; two cores colour 7 to 9 frames a second.")
            old = gr.File(file_types=["video"], label="Film", elem_id="film")
            roll = gr.Button("Colour it", elem_id="run")
            coloured = gr.Video(
                label="Coloured", interactive=False, buttons=["download"], elem_id="coloured"
            )
            # One at a time, so that photos need not wait behind films.
            roll.click(film, [old, vividness], coloured, api_name="film", concurrency_limit=1)
    return page.queue(max_size=QUEUE, default_concurrency_limit=os.cpu_count())


def serve(colorizer, host="127.0.0.1", port=7860):
    """Serves the page until interrupted; then every photo that it was given is gone.

    Raises:
        OSError: the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="colornet-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        build(colorizer).launch(
            server_name=host,
            server_port=port,
            share=False,
            max_file_size=MEGABYTES * 10**6,
            footer_links=["api"],
        )
