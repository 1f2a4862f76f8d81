"""The engine of many machines: Ray Data, whose actors are fed names, and load the network once."""

import json
from collections.abc import Iterable, Iterator

import ray

from colornet.archive.ledger import batches
from colornet.archive.task import Task
from colornet.storage import NoRoom

SLAB = 20_000  # names that Ray is given at once
CHUNK = 8  # names that an actor is given at once


class _Worker:
    def __init__(self, task):
        self._task = task.alone()

    def __call__(self, batch):
        pairs = zip(batch["name"], batch["target"])
        try:
            return {"record": [json.dumps(self._task.do(*pair)) for pair in pairs]}
        except NoRoom as error:  # Ray would wrap it
            return {
                "record": [json.dumps(dict(no_room=[error.errno, error.strerror, error.filename]))]
            }


def on_ray(task: Task, files: Iterable[tuple[str, str]], workers: int) -> Iterator[list[dict]]:
    """Does a task with files; as `processes.on_processes`, on the cluster of `RAY_ADDRESS`.

    Without that address, on the cores of this machine. An actor that dies is begun anew, and what
    it was given is done again.
    """
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    actors = ray.data.ActorPoolStrategy(size=workers)
    for slab in batches(files, SLAB):
        items = [dict(name=name, target=target) for name, target in slab]
        # Blocks made here: to cut them elsewhere would want a core, and actors have them all.
        rows = ray.data.from_items(items, override_num_blocks=-(-len(items) // CHUNK))
        done = rows.map_batches(
            _Worker,
            fn_constructor_args=(task,),
            batch_size=CHUNK,
            compute=actors,
            num_cpus=1,
            max_restarts=-1,
            max_task_retries=-1,
        )
        for batch in done.iter_batches(batch_size=None):
            records = [json.loads(one) for one in batch["record"]]
            for one in records:
                if "no_room" in one:
                    raise NoRoom(*one["no_room"])
            yield records
