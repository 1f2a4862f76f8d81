"""Films: jobs with a process of their own, progress and cancel; nothing of them stays."""

import asyncio
import json
import secrets
import shutil
import time

import av

from colornet.video.film import FilmOrder, colorize_video
from colornet.video.streams import open_film
from colornet.web.workers import Failed, Worker, tell

FILM_SECONDS, WORK_MINUTES = 60, 10  # the most that a film may last, and its work take
FRAME, PIXEL = 0.07, 0.07e-6  # seconds of work for a frame, and for each of its pixels
JOBS = 5  # the most at once, of which one is worked on
ALONE, KEPT = 30, 300  # seconds until a job is dropped that nobody watches; that is done
COLOURED = "coloured.mp4"
LOOK = 0.5  # seconds between two looks at the progress


def check_film(colorizer, file):
    """Raises ValueError where a film, by its header, would keep the others waiting for too long."""
    rest = "; the command line takes any: python -m colornet video"
    try:
        with open_film(file) as film:
            length = (film.duration or 0) / av.time_base
            stream = film.streams.video[0]
            frames = length * float(stream.guessed_rate or 25)
            work = frames * (FRAME + PIXEL * stream.width * stream.height)
    except (av.FFmpegError, IndexError):
        raise ValueError(f"{file}: cannot be read as a film; convert it to mp4") from None
    if not length:
        raise ValueError(f"{file}: does not say how long it lasts{rest}")
    if length > FILM_SECONDS:
        raise ValueError(f"{file}: lasts {length:.0f} seconds, the page takes {FILM_SECONDS}{rest}")
    if work > 60 * WORK_MINUTES:
        raise ValueError(
            f"{file}: takes {work / 60:.0f} minutes, the page gives {WORK_MINUTES}{rest}"
        )


def colour_film(colorizer, file, settings):
    """Colours a film into coloured.mp4 beside it; tells how many frames of how many are done."""
    vividness = settings.vividness if colorizer.has_bins else None

    def watch(frames, total):
        for number, frame in enumerate(frames):
            tell((number, total))
            yield frame

    order = FilmOrder(vividness, repair=settings.repair, watch=watch)
    colorize_video(colorizer, file, file.with_name(COLOURED), order)


class Job:
    """One film on its way.

    file: the film that was sent, alone in a folder that is the job's own.
    name: what it is called.
    result: the coloured film, when it is ready.
    """

    def __init__(self, file, name):
        self.file, self.name, self.id = file, name, secrets.token_urlsafe(16)
        self.result = file.with_name(COLOURED)
        self.done, self.total, self.ready, self.error = 0, None, False, None
        self.task = self.leaving = None
        self._begun = None

    def tell(self, progress):
        """Takes what `colour_film` tells."""
        self.done, self.total = progress
        self._begun = self._begun or time.monotonic()

    def told(self):
        """Its state, for who watches it; left: seconds, None where they cannot be told."""
        if self.error:
            return dict(error=self.error)
        left = None
        if self.total and self.done:
            left = (time.monotonic() - self._begun) / self.done * (self.total - self.done)
            left = max(0, round(left))
        return dict(done=self.done, total=self.total, left=left, ready=self.ready)


class Films:
    """The jobs: one is worked on, the others wait. One that nobody watches is dropped."""

    def __init__(self, model):
        self._model, self._jobs, self._turn = model, {}, asyncio.Semaphore(1)

    def full(self):
        return len(self._jobs) >= JOBS

    def get(self, key):
        """The job of an id, or None."""
        return self._jobs.get(key)

    def begin(self, file, name, settings):
        """A new `Job`, by a `FilmForm`."""
        job = Job(file, name)
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._work(job, settings))
        self._leave(job, ALONE)
        return job

    async def _work(self, job, settings):
        worker = None
        try:
            async with self._turn, asyncio.timeout(120 * WORK_MINUTES):
                worker = Worker(self._model)
                arguments = job.file, settings
                await asyncio.to_thread(worker.ask, colour_film, arguments, told=job.tell)
            job.done, job.ready = job.total, True
        except ValueError as error:
            job.error = str(error).replace(str(job.file), job.name)
        except Failed as error:
            job.error = f"{job.name}: {error}"
        except TimeoutError:
            job.error = f"{job.name}: takes too long here; take the command line"
        finally:
            if worker:
                worker.stop()

    def _leave(self, job, seconds):
        job.leaving = asyncio.get_running_loop().call_later(seconds, self.drop, job)

    def drop(self, job):
        """Ends a job, whatever it does, and removes its files."""
        if self._jobs.pop(job.id, None):
            job.leaving.cancel()
            job.task.cancel()
            folder = job.file.parent
            job.task.add_done_callback(lambda _: shutil.rmtree(folder, ignore_errors=True))

    def take(self, job):
        """Hands out a film, once; whoever takes it removes its folder."""
        del self._jobs[job.id]
        job.leaving.cancel()
        return job.file.parent

    async def events(self, job):
        """Server-sent events of its progress; who no longer listens does not want it."""
        job.leaving.cancel()
        try:
            while True:
                yield f"data: {json.dumps(job.told())}\n\n"
                if job.ready or job.error:
                    break
                await asyncio.sleep(LOOK)
        finally:
            if job.ready:
                self._leave(job, KEPT)
            else:
                self.drop(job)

    async def stop(self):
        jobs = [*self._jobs.values()]
        for job in jobs:
            self.drop(job)
        await asyncio.gather(*(job.task for job in jobs), return_exceptions=True)
