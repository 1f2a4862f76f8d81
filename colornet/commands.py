"""The commands, each as two functions: its options, and its work with what that needs."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from colornet.errors import needs, one_line, say
from colornet.quiet import silent

COMMANDS = {}  # by name: what it does, its options, its work


def command(name: str, text: str, extra: str = "train") -> Callable:
    """Makes two functions a command: of a parser that gets its options, and of their values.

    extra: the one that brings what a plain installation lacks for it.
    """

    def register(options):
        def work(function):
            COMMANDS[name] = text, options, needs(extra, f"{name} needs")(function)
            return function

        return work

    return register


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def _share(text):
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _size(text):
    value = int(text)
    if value < 32 or value % 32:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 32")
    return value


def _model(sub, **options):
    text = "released network, hf://owner/name, run folder or .keras file"
    sub.add_argument("--model", **dict(default="colornet", help=text) | options)


def _load(model):
    with silent():  # LiteRT greets, and Keras does where it is needed after all
        from colornet.inference.colorizer import load

        return load(model)


def _mark_options(sub):
    text = "write no mark that the colours are a network's"
    sub.add_argument("--no-mark", action="store_true", help=text)
    text = "sign results by content credentials with this certificate, a PEM file"
    sub.add_argument("--c2pa-certificate", metavar="F", help=text)
    sub.add_argument("--c2pa-key", metavar="F", help="the certificate's key, a PEM file")


def _credentials(args):
    from colornet.errors import PhotoError

    certificate, key = args.c2pa_certificate, args.c2pa_key
    if (certificate is None) != (key is None):
        raise PhotoError("content credentials need both --c2pa-certificate and --c2pa-key")
    if certificate is None:
        return None
    with needs("c2pa", "content credentials need"):
        from colornet.photos.credentials import Credentials
    return Credentials(certificate, key)


def _colorize_options(sub):
    sub.add_argument("photos", nargs="+", metavar="IN", help="photo files and folders")
    sub.add_argument("-o", "--output", required=True, metavar="OUT", help="a file or a folder")
    sub.add_argument("--force", action="store_true", help="replace results that are there")
    sub.add_argument("--quality", type=int, default=95, help="of JPEG results, 1 to 100")
    text = "0 safe to 1 vivid; by default what the network is best at"
    sub.add_argument("--vividness", type=_share, help=text)
    text = "the colour at a place of one photo, in its pixels; may be repeated"
    sub.add_argument("--hint", action="append", default=[], metavar="X,Y,#RRGGBB", help=text)
    sub.add_argument("--hints", metavar="F", help="a text file with one hint a line")
    text = "colour in so many ways, to 20"
    sub.add_argument("--variants", type=_positive, default=1, help=text)
    text = "write also how sure the network is of each place"
    sub.add_argument("--confidence", action="store_true", help=text)
    sub.add_argument("--reference", metavar="PHOTO", help="take the palette of another photo")
    _mark_options(sub)
    sub.add_argument("--record", metavar="F", help="add a line in JSON for each photo to this file")
    text = "of files with several pictures"
    sub.add_argument("--pages", default="first", choices=["first", "all"], help=text)
    _model(sub)


@command("colorize", "Colour photos, at their own size and lightness.")(_colorize_options)
def _colorize(args):
    from colornet.color.hints import parse, read_hints
    from colornet.inference.folders import colorize_files
    from colornet.inference.order import Order
    from colornet.inference.palette import read_palette
    from colornet.inference.steering import Steering

    hints = [parse(text) for text in args.hint] + (read_hints(args.hints) if args.hints else [])
    palette = read_palette(args.reference) if args.reference else None
    colorizer = _load(args.model)
    order = Order(
        Steering(args.vividness, hints, palette),
        args.variants,
        args.confidence,
        args.pages == "all",
        args.quality,
        args.force,
        not args.no_mark,
        credentials=_credentials(args),
    )
    report = colorize_files(colorizer, args.photos, args.output, order, args.record)
    print(f"{len(report['done'])} coloured into {one_line(args.output)}", end="")
    print(f", {len(report['kept'])} there already (--force does them again)" * bool(report["kept"]))
    if report["failed"]:
        if sum(map(len, report.values())) > 1:
            print(f"{len(report['failed'])} could not be coloured, named above", file=sys.stderr)
        return 1


def _archive_options(sub):
    sub.add_argument("source", metavar="IN", help="a folder or address, such as s3://bucket/scans")
    sub.add_argument("out", metavar="OUT", help="a folder or address")
    text = "colour photos that are grey alone, or all"
    sub.add_argument("--only", default="grey", choices=["grey", "all"], help=text)
    sub.add_argument("--retry", action="store_true", help="try those again that failed")
    text = "ray: on the cluster of RAY_ADDRESS, else on this machine's cores"
    sub.add_argument("--engine", default="processes", choices=["processes", "ray"], help=text)
    sub.add_argument("--workers", type=_positive, help="how many at once; by default one a core")
    sub.add_argument("--quality", type=int, default=95, help="of JPEG results, 1 to 100")
    text = "0 safe to 1 vivid; by default what the network is best at"
    sub.add_argument("--vividness", type=_share, help=text)
    text = "how many of the least sure results OUT/review.html shows"
    sub.add_argument("--review", type=int, default=60, metavar="N", help=text)
    sub.add_argument("--bag", action="store_true", help="make OUT a bag, RFC 8493")
    sub.add_argument("--ledger", metavar="F", help="where it is noted what is done; in OUT")
    sub.add_argument("--record", metavar="F", help="write a line in JSON for each file there")
    _mark_options(sub)
    _model(sub)


@command("archive", "Colour a folder of any size; goes on where it was left.", "archive")(
    _archive_options
)
def _archive(args):
    from colornet.archive.archive import ArchiveOrder, colorize_archive
    from colornet.archive.task import Task
    from colornet.inference.order import Order
    from colornet.inference.steering import Steering

    marks = dict(mark=not args.no_mark, credentials=_credentials(args))
    order = Order(Steering(args.vividness), quality=args.quality, **marks)
    task = Task(args.source, args.out, args.model, order, args.only)
    names = ("ledger", "engine", "workers", "retry", "review", "bag", "record")
    try:
        counts = colorize_archive(
            task, ArchiveOrder(**{name: getattr(args, name) for name in names})
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{args.out}: the same command goes on") from None
    print(", ".join(f"{number} {state}" for state, number in counts.items()) or "no photos found")
    return 1 if counts.get("failed") else 0


def _recolor_options(sub):
    sub.add_argument("record", metavar="RECORD", help="what colorize --record wrote")
    text = "a folder for the results instead of where they lay"
    sub.add_argument("-o", "--output", metavar="OUT", help=text)
    sub.add_argument("--force", action="store_true", help="replace results that are there")
    text = "of the network where it is not a released one: run folder or .keras file"
    sub.add_argument("--model", help=text)


@command("recolor", "Make the results of a record again, byte for byte.")(_recolor_options)
def _recolor(args):
    from colornet.inference.recolor import recolor

    counts = recolor(args.record, lambda name: _load(args.model or name), args.output, args.force)
    print(", ".join(f"{number} {what}" for what, number in counts.items() if number))
    return 1 if counts["failed"] or counts["changed"] else 0


def _video_options(sub):
    sub.add_argument("film", metavar="IN")
    sub.add_argument("output", metavar="OUT", help="an mp4 file")
    sub.add_argument("--force", action="store_true", help="replace a result that is there")
    sub.add_argument("--vividness", type=_share, help="0 safe to 1 vivid")
    text = "colour each frame by itself; it flickers more"
    sub.add_argument("--each", action="store_true", help=text)
    _mark_options(sub)
    _model(sub)


@command("video", "Colour a film; its sound stays.")(_video_options)
def _video(args):
    with needs("video", "films need"):
        from colornet.video.film import FilmOrder, colorize_video

    marks = not args.no_mark, _credentials(args)
    order = FilmOrder(args.vividness, not args.each, args.force, *marks)
    try:
        number = colorize_video(_load(args.model), args.film, args.output, order, say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{args.output} was not written") from None
    print(f"{args.output}: {number} frames")


def _export_options(sub):
    sub.add_argument("model", metavar="NAME", help="released network, run folder or .keras file")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")
    formats = ["saved_model", "onnx", "litert", "keras", "all"]
    sub.add_argument("--format", default="all", choices=formats)


@command("export", "Write a network as SavedModel, ONNX, LiteRT or Keras file.", "export")(
    _export_options
)
def _export(args):
    from colornet.export.formats import FORMATS, export

    formats = FORMATS if args.format == "all" else (args.format,)
    written = export(args.model, args.output, formats)
    while True:
        with silent():  # the converters tell much, in C++
            path = next(written, None)
        if path is None:
            return
        files = [path] if path.is_file() else [x for x in path.rglob("*") if x.is_file()]
        print(f"{path}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB")


def _serve_options(sub):
    sub.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    sub.add_argument("--port", type=_positive, default=7860)
    _model(sub)


@command("serve", "The web page: upload a grey photo, see it in colour.", "web")(_serve_options)
def _serve(args):
    with silent():
        from colornet.web.page import serve
    serve(_load(args.model), args.host, args.port)


def _demo_options(sub):
    sub.add_argument("-o", "--output", default="outputs", metavar="DIR")
    _model(sub)


@command("demo", "Colour the sample photos and print PSNR and SSIM beside grey's.")(_demo_options)
def _demo(args):
    from colornet.evaluation.demo import demo

    out = Path(args.output) / "demo.png"
    print(demo(_load(args.model), out))
    print(f"\n{out}: grey, coloured, original")


def _prepare_options(sub):
    sub.add_argument("photos", nargs="+", metavar="PHOTOS", help="photo files and folders")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")
    sub.add_argument("--size", type=_size, default=256, help="height and width of the photos")
    sub.add_argument("--limit", type=_positive, help="keep at most so many")


@command("prepare", "Make a set to train on from folders of photos.")(_prepare_options)
def _prepare(args):
    from colornet.data.dataset import summary
    from colornet.data.prepare import prepare
    from colornet.errors import PhotoError

    rows = prepare(args.photos, args.output, args.size, args.limit)
    print(summary(rows))
    if not any(row["kept"] for row in rows):
        raise PhotoError(f"{args.output}: no photo was kept; see manifest.csv for why")


def _download_options(sub):
    sub.add_argument("name", metavar="NAME", help="flowers, caltech101, imagenette, coco, places")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")


@command("download", "Fetch a public set of photos.")(_download_options)
def _download(args):
    from colornet.data.download import download

    print(download(args.name, args.output))


def _train_options(sub):
    sub.add_argument("data", metavar="DIR", help="a prepared set")
    sub.add_argument("-o", "--output", required=True, metavar="RUN", help="the run's folder")
    sub.add_argument("--model", default="colornet", help="name of the network")
    sub.add_argument("--width", type=_positive, help="channels of its first stage")
    # The others are settings of the recipe, and left to it where they are not given.
    text = "begin with the weights of this network or run, or imagenet"
    sub.add_argument("--initial", help=text)
    sub.add_argument("--epochs", type=_positive, help="in all")
    sub.add_argument("--size", type=_size, help="height and width in training")
    sub.add_argument("--batch-size", type=_positive)
    sub.add_argument("--learning-rate", type=float)
    sub.add_argument("--schedule", choices=["constant", "cosine"], help="of the learning rate")
    sub.add_argument("--loss", help="that of some network's recipe, or any that Keras knows")
    sub.add_argument("--optimizer", help="any optimizer that Keras knows by name")
    sub.add_argument("--per-set", type=_positive, help="at most so many photos of a set an epoch")
    text = "no random crops, no mirroring"
    sub.add_argument("--no-augment", action="store_const", const=False, dest="augment", help=text)
    sub.add_argument("--seed", type=int)


@command("train", "Train a network, by its recipe unless told otherwise.")(_train_options)
def _train(args):
    from colornet.evaluation.outcome import outcome
    from colornet.training.train import train

    settings = {key: value for key, value in vars(args).items() if value is not None}
    run, folder, model = (settings.pop(key) for key in ("output", "data", "model"))
    del settings["function"]
    options = dict(width=settings.pop("width")) if args.width else {}
    train(folder, run, model, options, **settings)
    print(outcome(run, folder))


def _evaluate_options(sub):
    sub.add_argument("photos", nargs="+", metavar="DIR|PHOTOS", help="a prepared set, or photos")
    sub.add_argument("--size", type=_size, default=256, help="photos are cropped and resized to it")
    sub.add_argument("--limit", type=_positive, help="only so many photos")
    kinds = ["set", "colourfulness", "skin"]
    text = "a table of the photos by that, too; may be repeated"
    sub.add_argument("--by", action="append", default=[], choices=kinds, help=text)
    text = "how far from photos in what a classifier sees, too"
    sub.add_argument("--features", action="store_true", help=text)
    text = "score coloured pictures with the photos' names there; no network but with --model"
    sub.add_argument("--results", metavar="FOLDER", help=text)
    text = "write the report there too; interrupted, the next call goes on"
    sub.add_argument("--json", metavar="F", help=text)
    text = "released network, run folder or .keras file; colornet without --results"
    _model(sub, default=None, help=text)


@command("evaluate", "Score a network beside grey and other baselines.")(_evaluate_options)
def _evaluate(args):
    from colornet.evaluation import breakdown
    from colornet.evaluation.evaluate import evaluate
    from colornet.evaluation.tables import table
    from colornet.evaluation.testset import read_test_set
    from colornet.storage import write_json

    model = args.model or (None if args.results else "colornet")
    journal = Path(args.json).with_suffix(".photos.jsonl") if args.json else None
    wanted = ["skin"] * ("skin" in args.by) + ["features"] * args.features
    try:
        test = read_test_set(args.photos, args.size, args.limit)
        report, _ = evaluate(model, test, results=args.results, wanted=wanted, journal=journal)
    except KeyboardInterrupt:
        if journal:
            raise  # what is done is kept
        raise KeyboardInterrupt("nothing is kept without --json F") from None
    print(f"{report['protocol']}\n{report['photos']} photos\n\n{table(report)}")
    for what in dict.fromkeys(args.by):
        print(f"\n{breakdown.table(report, what)}")
    if args.features:
        from colornet.evaluation import features

        print(f"\n{features.table(report)}")
    if args.json:
        write_json(args.json, dict(model=model, results=args.results) | report)


def _benchmark_options(sub):
    sub.add_argument("data", metavar="DIR", help="a prepared set")
    sub.add_argument("-o", "--output", required=True, metavar="DIR", help="of runs and table")
    text = "photos that each network sees in training"
    sub.add_argument("--budget", type=_positive, default=30_000, help=text)
    sub.add_argument("--photos", type=_positive, default=300, help="test photos to score")
    sub.add_argument("--size", type=_size, default=128, help="height and width in training")
    sub.add_argument("--model", action="append", help="this network alone; may be repeated")


@command("benchmark", "Train and score every network with the same budget.")(_benchmark_options)
def _benchmark(args):
    from colornet.evaluation.leaderboard import benchmark, table

    options = dict(budget=args.budget, photos=args.photos, size=args.size)
    print(table(benchmark(args.data, args.output, names=args.model, **options)), end="")
    print(f"\nalso in {Path(args.output) / 'table.md'}")


def _release_options(sub):
    sub.add_argument("run", metavar="RUN")
    sub.add_argument("data", metavar="DIR", help="the prepared set that it was trained on")
    sub.add_argument("--test", metavar="DIR", help="another set, by whose test photos to score")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")


@command("release", "Turn a run into weights to share, with card and metrics.")(_release_options)
def _release(args):
    from colornet.export.release import release

    print(release(args.run, args.data, args.output, args.test))
