"""The command line: python -m colornet COMMAND ... (installed, also: colornet COMMAND ...)."""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from colornet import __version__
from colornet.errors import one_line

PROG = "colornet"


def _prepare(args):
    from colornet import data

    rows = data.prepare(args.photos, args.output, args.size, args.limit)
    print(data.summary(rows))
    if not any(row["kept"] for row in rows):
        raise data.PhotoError(f"{args.output}: no photo was kept; see manifest.csv for why")


def _download(args):
    from colornet.download import download

    print(download(args.name, args.output))


def _train(args):
    _start_keras()
    from colornet.outcome import outcome
    from colornet.training import train

    options = {} if args.width is None else dict(width=args.width)
    settings = "size batch_size learning_rate schedule loss optimizer initial per_set".split()
    settings = {key: getattr(args, key) for key in settings if getattr(args, key) is not None}
    if args.no_augment:
        settings["augment"] = False
    if args.model == "eight_conv" and args.size:
        options["size"] = args.size
    train(
        args.data, args.output, args.model, options, epochs=args.epochs, seed=args.seed, **settings
    )
    print(outcome(args.output, args.data))


def _evaluate(args):
    _start_keras()
    from colornet import breakdown, models
    from colornet.evaluation import evaluate, table
    from colornet.files import write_json

    name = args.model or (None if args.results else "colornet")
    journal = Path(args.json).with_suffix(".photos.jsonl") if args.json else None
    wanted = ["skin"] * ("skin" in args.by) + ["features"] * args.features
    try:
        report, _ = evaluate(
            name and models.load(name),
            args.photos,
            args.size,
            args.limit,
            args.results,
            wanted,
            journal,
        )
    except KeyboardInterrupt:
        if journal:
            raise  # what is done is kept
        raise KeyboardInterrupt("nothing is kept without --json F") from None
    print(f"{report['protocol']}\n{report['photos']} photos\n\n{table(report)}")
    for what in dict.fromkeys(args.by):
        print(f"\n{breakdown.table(report, what)}")
    if args.features:
        from colornet import features

        print(f"\n{features.table(report)}")
    if args.json:
        write_json(args.json, dict(model=name, results=args.results) | report)


def _light(model):
    with _silent():  # LiteRT greets, and Keras does where it is needed after all
        from colornet import light

        return light.load(model)


def _colorize(args):
    from colornet.colorize import colorize_files
    from colornet.hints import parse, read_hints
    from colornet.reference import read_palette

    hints = [parse(text) for text in args.hint] + (read_hints(args.hints) if args.hints else [])
    report = colorize_files(
        _light(args.model),
        args.photos,
        args.output,
        args.force,
        args.quality,
        args.vividness,
        tuple(hints),
        args.variants,
        args.confidence,
        read_palette(args.reference) if args.reference else None,
        args.pages == "all",
    )
    print(f"{len(report['done'])} coloured into {one_line(args.output)}", end="")
    print(f", {len(report['kept'])} there already (--force does them again)" * bool(report["kept"]))
    if report["failed"]:
        if sum(map(len, report.values())) > 1:
            print(f"{len(report['failed'])} could not be coloured, named above", file=sys.stderr)
        return 1


def _video(args):
    try:
        from colornet.video import colorize_video
    except ModuleNotFoundError as error:
        raise ValueError(f"films need {error.name}; install it: pip install -e '.[video]'") from None
    network = _light(args.model)
    try:
        number = colorize_video(
            network,
            args.film,
            args.output,
            args.vividness,
            not args.each,
            args.force,
            say=lambda line: print(f"{PROG}: {line}", file=sys.stderr),
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{args.output} was not written") from None
    print(f"{args.output}: {number} frames")


def _export(args):
    _start_keras()
    from colornet import export

    formats = export.FORMATS if args.format == "all" else (args.format,)
    written = export.export(args.model, args.output, formats)
    try:
        while True:
            with _silent():  # the converters tell much, in C++
                path = next(written, None)
            if path is None:
                return
            files = [path] if path.is_file() else [x for x in path.rglob("*") if x.is_file()]
            print(f"{path}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB")
    except ModuleNotFoundError as error:
        raise ValueError(f"ONNX needs {error.name}; install it: pip install -e '.[export]'") from None


def _benchmark(args):
    _start_keras()
    from colornet.benchmark import benchmark, table

    options = dict(budget=args.budget, photos=args.photos, size=args.size)
    print(table(benchmark(args.data, args.output, names=args.model, **options)), end="")
    print(f"\nalso in {Path(args.output) / 'table.md'}")


def _release(args):
    _start_keras()
    from colornet.card import release
    from colornet.export import save_light

    print(release(args.run, args.data, args.output, args.test))
    with _silent():
        save_light(args.output)


def _serve(args):
    try:
        with _silent():
            from colornet.app import serve
    except ModuleNotFoundError as error:
        raise ValueError(f"the page needs {error.name}; install it: pip install -e '.[web]'") from None
    serve(_light(args.model), args.host, args.port)


def _demo(args):
    _start_keras()
    from colornet.samples import demo

    out = Path(args.output) / "demo.png"
    print(demo(_light(args.model), out))
    print(f"\n{out}: grey, coloured, original")


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


def parser():
    """The parser of every command."""
    top = argparse.ArgumentParser(PROG, description="Gives grey photographs their colours.")
    top.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name, function, text):
        sub = commands.add_parser(
            name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        sub.set_defaults(function=function)
        return sub

    def model(sub):
        sub.add_argument(
            "--model", default="colornet", help="released network, run folder or .keras file"
        )

    sub = command("colorize", _colorize, "Colour photos, at their own size and lightness.")
    sub.add_argument("photos", nargs="+", metavar="IN", help="photo files and folders")
    sub.add_argument("-o", "--output", required=True, metavar="OUT", help="a file or a folder")
    sub.add_argument("--force", action="store_true", help="replace results that are there")
    sub.add_argument("--quality", type=int, default=95, help="of JPEG results, 1 to 100")
    sub.add_argument(
        "--vividness", type=_share, help="0 safe to 1 vivid; by default what the network is best at"
    )
    sub.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="X,Y,#RRGGBB",
        help="the colour at a place of one photo, in its pixels; may be repeated",
    )
    sub.add_argument("--hints", metavar="F", help="a text file with one hint a line")
    sub.add_argument("--variants", type=_positive, default=1, help="colour in so many ways, to 20")
    sub.add_argument(
        "--confidence", action="store_true", help="write also how sure the network is of each place"
    )
    sub.add_argument("--reference", metavar="PHOTO", help="take the palette of another photo")
    sub.add_argument(
        "--pages", default="first", choices=["first", "all"], help="of files with several pictures"
    )
    model(sub)

    sub = command("video", _video, "Colour a film; its sound stays.")
    sub.add_argument("film", metavar="IN")
    sub.add_argument("output", metavar="OUT", help="an mp4 file")
    sub.add_argument("--force", action="store_true", help="replace a result that is there")
    sub.add_argument("--vividness", type=_share, help="0 safe to 1 vivid")
    sub.add_argument(
        "--each", action="store_true", help="colour each frame by itself; it flickers more"
    )
    model(sub)

    sub = command("export", _export, "Write a network as SavedModel, ONNX or LiteRT, for others.")
    sub.add_argument("model", metavar="NAME", help="released network, run folder or .keras file")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")
    sub.add_argument(
        "--format", default="all", choices=["saved_model", "onnx", "litert", "all"]
    )

    sub = command("serve", _serve, "The web page: upload a grey photo, see it in colour.")
    sub.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines in")
    sub.add_argument("--port", type=_positive, default=7860)
    model(sub)

    sub = command("demo", _demo, "Colour the sample photos and print PSNR and SSIM beside grey's.")
    sub.add_argument("-o", "--output", default="outputs", metavar="DIR")
    model(sub)

    sub = command("prepare", _prepare, "Make a set to train on from folders of photos.")
    sub.add_argument("photos", nargs="+", metavar="PHOTOS", help="photo files and folders")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")
    sub.add_argument("--size", type=_size, default=256, help="height and width of the photos")
    sub.add_argument("--limit", type=_positive, help="keep at most so many")

    sub = command("download", _download, "Fetch a public set of photos.")
    sub.add_argument("name", metavar="NAME", help="flowers, caltech101, imagenette, coco, places")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")

    sub = command("train", _train, "Train a network, by its recipe unless told otherwise.")
    sub.add_argument("data", metavar="DIR", help="a prepared set")
    sub.add_argument("-o", "--output", required=True, metavar="RUN", help="the run's folder")
    sub.add_argument("--model", default="colornet", help="name of the network")
    sub.add_argument("--width", type=_positive, help="channels of its first stage")
    sub.add_argument("--epochs", type=_positive, default=30, help="in all")
    sub.add_argument("--initial", help="begin with the weights of this network or run, or imagenet")
    sub.add_argument("--size", type=_size, help="height and width in training")
    sub.add_argument("--batch-size", type=_positive)
    sub.add_argument("--learning-rate", type=float)
    sub.add_argument("--schedule", choices=["constant", "cosine"], help="of the learning rate")
    sub.add_argument("--loss", help="one of models.OBJECTIVES, or any that Keras knows")
    sub.add_argument("--optimizer", help="any optimizer that Keras knows by name")
    sub.add_argument("--per-set", type=_positive, help="at most so many photos of a set an epoch")
    sub.add_argument("--no-augment", action="store_true", help="no random crops, no mirroring")
    sub.add_argument("--seed", type=int, default=0)

    sub = command("evaluate", _evaluate, "Score a network beside grey and other baselines.")
    sub.add_argument("photos", nargs="+", metavar="DIR|PHOTOS", help="a prepared set, or photos")
    sub.add_argument("--size", type=_size, default=256, help="photos are cropped and resized to it")
    sub.add_argument("--limit", type=_positive, help="only so many photos")
    sub.add_argument(
        "--by",
        action="append",
        default=[],
        choices=["set", "colourfulness", "skin"],
        help="a table of the photos by that, too; may be repeated",
    )
    sub.add_argument(
        "--features", action="store_true", help="how far from photos in what a classifier sees, too"
    )
    sub.add_argument(
        "--results",
        metavar="FOLDER",
        help="score coloured pictures with the photos' names there; no network unless --model is given",
    )
    sub.add_argument(
        "--json", metavar="F", help="write the report there too; interrupted, the next call goes on"
    )
    sub.add_argument(
        "--model", help="released network, run folder or .keras file; colornet without --results"
    )

    sub = command("benchmark", _benchmark, "Train and score every network with the same budget.")
    sub.add_argument("data", metavar="DIR", help="a prepared set")
    sub.add_argument("-o", "--output", required=True, metavar="DIR", help="of the runs and the table")
    sub.add_argument(
        "--budget", type=_positive, default=30_000, help="photos that each network sees in training"
    )
    sub.add_argument("--photos", type=_positive, default=300, help="test photos to score")
    sub.add_argument("--size", type=_size, default=128, help="height and width in training")
    sub.add_argument("--model", action="append", help="this network alone; may be repeated")

    sub = command("release", _release, "Turn a run into weights to share, with card and metrics.")
    sub.add_argument("run", metavar="RUN")
    sub.add_argument("data", metavar="DIR", help="the prepared set that it was trained on")
    sub.add_argument("--test", metavar="DIR", help="another set, by whose test photos to score")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")
    return top


@contextlib.contextmanager
def _silent():
    """Nothing reaches stderr, not even from C++: TensorFlow's first lines heed no setting."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _start_keras():
    """Loads Keras and starts its backend, whose first lines nobody needs."""
    with _silent():
        from keras import ops

        ops.convert_to_numpy(ops.zeros(1))


def main(argv=None):
    """Runs a command; errors of the user's are one line on stderr and exit code 1."""
    args = parser().parse_args(argv)
    try:
        return args.function(args) or 0
    except KeyboardInterrupt as stop:
        left = str(stop) or "the same command does what is left"
        print(f"\n{PROG}: interrupted; {left}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        # Keras explains at length; the first line says it.
        print(f"{PROG}: {one_line(str(error).strip().splitlines()[0])}", file=sys.stderr)
        return 1


def run():
    """The command as a process of its own."""
    code = main()
    if code == 130:  # at an orderly exit, TensorFlow's threads that still work would abort it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
