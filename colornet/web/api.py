"""The endpoints: what each takes and gives. All work is done by workers."""

import asyncio
import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from pydantic import Json
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from colornet import __version__
from colornet.errors import one_line
from colornet.web import films, photos
from colornet.web.docs import page
from colornet.web.guard import BYTES
from colornet.web.settings import AlikeForm, AnswerForm, ColorizeForm, FilmForm, LikelyForm
from colornet.web.workers import Failed

MEDIA = {".jpg": "image/jpeg", ".png": "image/png", ".tif": "image/tiff", ".mp4": "video/mp4"}
api = APIRouter()


def file_name(upload):
    """The name of an uploaded file, without folders, on one line."""
    return one_line(re.split(r"[\\/]", upload.filename or "")[-1])[-120:] or "photo"


def coloured_name(name, suffix):
    """The name that a result is saved under."""
    return f"{Path(name).stem}-coloured{suffix}"


class Call:
    """One request at work.

    folder: its own, gone when its answer has been sent.
    """

    def __init__(self, request, folder):
        self.request, self.folder, self.desk = request, folder, request.app.state.desk

    async def ask(self, work, uploads, *settings):
        """What a worker makes of files: `work(colorizer, *files, *settings)`.

        Raises:
            HTTPException: 400 or 500 with a sentence that names the file.
        """
        arguments, names = [], {}
        for number, upload in enumerate(uploads):
            arguments.append(upload and self.folder / f"upload{number}")
            if upload:
                names[str(arguments[-1])] = file_name(upload)
                await asyncio.to_thread(_keep, upload, arguments[-1])
        try:
            async with self.desk.workers.turn(self.request) as ask:
                return await ask(work, *arguments, *settings)
        except ValueError as error:
            sentence = str(error)
            for path, name in names.items():
                sentence = sentence.replace(path, name)
            raise HTTPException(400, sentence) from None
        except Failed as error:
            raise HTTPException(500, f"{file_name(uploads[0])}: {error}") from None


def _keep(upload, path):
    with open(path, "wb") as file:
        shutil.copyfileobj(upload.file, file)


async def _call(request: Request):
    with tempfile.TemporaryDirectory(dir=request.app.state.desk.folder) as folder:
        yield Call(request, Path(folder))


Of = Annotated[Call, Depends(_call)]
Photo = Annotated[UploadFile, File(description="a photo file")]
Reference = Annotated[UploadFile | None, File(description="a photo whose palette is taken")]
Mask = Annotated[
    UploadFile | None,
    File(description="an image of the photo's form, white where it is to be repaired first"),
]


Wanted = Form(description="settings, as JSON")


@api.post("/api/answer")
async def answer(
    of: Of,
    photo: Photo,
    settings: Annotated[Json[AnswerForm], Wanted] = AnswerForm(),
    reference: Reference = None,
    mask: Mask = None,
):
    """All that the page draws from: ab grids at some vividnesses, confidence, likely colours.

    Gives `{"name", "width", "height", "said", "model", "grid": {"width", "height"}, "levels": [],
    "ab": [], "confidence", "likely", "picture"}`, with `versions` also `"others"`, a list of
    `{"grid", "ab", "confidence", "likely"}`. Numbers are base64: `ab` int16, little-endian,
    hundredths of a Lab unit, (height, width, 2) for each level; `confidence` uint8, 255 for 1;
    `likely` int16, (height, width, 6, 2), 32767 where there are fewer. `picture` is a JPEG of 2048
    pixels at most.
    """
    name = file_name(photo)
    found = await of.ask(photos.answer, [photo, reference, mask], settings, name)
    return Response(found, media_type="application/json")


@api.post("/api/colorize")
async def colorize(
    of: Of,
    photo: Photo,
    settings: Annotated[Json[ColorizeForm], Wanted] = ColorizeForm(),
    reference: Reference = None,
    mask: Mask = None,
):
    """The coloured photo as a file: its own size, depth, lightness, transparency and profile."""
    result = await of.ask(photos.colorize, [photo, reference, mask], settings)
    name = coloured_name(file_name(photo), result.suffix)
    return FileResponse(result, media_type=MEDIA[result.suffix], filename=name)


@api.post("/api/damage")
async def damage(of: Of, photo: Photo):
    """Where a photo is damaged: a PNG of 2048 pixels at most, white there, to be sent as `mask`."""
    return Response(await of.ask(photos.damage, [photo]), media_type=MEDIA[".png"])


@api.post("/api/alike")
async def alike(
    of: Of,
    photo: Photo,
    shown: Annotated[UploadFile, File(description="the photo in which the hints were told")],
    settings: Annotated[Json[AlikeForm], Wanted],
):
    """Where a photo shows the same things: hints to be told in it, none where nothing is alike."""
    return dict(hints=await of.ask(photos.alike, [photo, shown], settings))


@api.post("/api/likely")
async def likely(of: Of, photo: Photo, settings: Annotated[Json[LikelyForm], Wanted]):
    """The colours that the network finds likely at one place, the likeliest first."""
    return dict(likely=await of.ask(photos.likely, [photo], settings))


@api.post("/api/video", status_code=202)
async def video(of: Of, photo: Photo, settings: Annotated[Json[FilmForm], Wanted] = FilmForm()):
    """Begins to colour a film; `GET /api/video/ID/events` must be asked within 30 seconds."""
    jobs = of.desk.films
    if jobs.full():
        raise HTTPException(503, "many films are waiting; try again later", {"Retry-After": "30"})
    await of.ask(films.check_film, [photo])
    folder = Path(tempfile.mkdtemp(dir=of.desk.folder))
    file = shutil.move(of.folder / "upload0", folder / "film")
    return dict(id=jobs.begin(file, file_name(photo), settings).id)


def _job(key: str, request: Request):
    job = request.app.state.desk.films.get(key)
    if job is None:
        raise HTTPException(404, "no such film; it is kept until it is fetched, at most 5 minutes")
    return job


Job = Annotated[films.Job, Depends(_job)]


@api.get("/api/video/{key}/events")
async def events(job: Job, request: Request):
    """Server-sent events `{"done", "total", "left", "ready"}`, frames and seconds; then one with
    `"ready": true`, or `{"error"}`. Closing the stream cancels the film."""
    lines = request.app.state.desk.films.events(job)
    return StreamingResponse(lines, media_type="text/event-stream")


@api.get("/api/video/{key}")
async def film(job: Job, request: Request):
    """The coloured film, once; then it is gone."""
    if not job.ready:
        raise HTTPException(409, f"{job.name}: is not done yet")
    after = BackgroundTask(shutil.rmtree, request.app.state.desk.films.take(job))
    name = coloured_name(job.name, ".mp4")
    return FileResponse(job.result, media_type=MEDIA[".mp4"], filename=name, background=after)


@api.delete("/api/video/{key}", status_code=204)
async def cancel(job: Job, request: Request):
    """Stops a film; nothing of it is left."""
    request.app.state.desk.films.drop(job)


@api.get("/api/health")
async def health(request: Request):
    """Whether the server works, and how many wait."""
    desk = request.app.state.desk
    return dict(
        status="ok",
        model=desk.model,
        version=__version__,
        workers=desk.workers.count,
        waiting=desk.workers.waiting,
    )


@api.get("/engine.json", include_in_schema=False)
async def engine(request: Request):
    """What the page must know of this server."""
    return dict(
        engine="server",
        films=True,
        repairs=True,
        steered=request.app.state.desk.steered,
        formats=[*photos.SUFFIXES],
        limits=dict(bytes=BYTES, pixels=photos.PIXELS, filmSeconds=films.FILM_SECONDS),
    )


@api.get("/docs", include_in_schema=False)
async def docs(request: Request):
    """The endpoints, for people."""
    return HTMLResponse(page(request.app.openapi()))
