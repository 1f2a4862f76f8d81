"""The commands of training: sets of photos, runs, scores, releases."""

from pathlib import Path

from colornet.commands.registry import command, model_option, positive, size


def _prepare_options(sub):
    sub.add_argument("photos", nargs="+", metavar="PHOTOS", help="photo files and folders")
    sub.add_argument("-o", "--output", required=True, metavar="DIR")
    sub.add_argument("--size", type=size, default=256, help="height and width of the photos")
    sub.add_argument("--limit", type=positive, help="keep at most so many")


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
    sub.add_argument("--width", type=positive, help="channels of its first stage")
    # The others are settings of the recipe, and left to it where they are not given.
    text = "begin with the weights of this network or run, or imagenet"
    sub.add_argument("--initial", help=text)
    sub.add_argument("--epochs", type=positive, help="in all")
    sub.add_argument("--size", type=size, help="height and width in training")
    sub.add_argument("--batch-size", type=positive)
    sub.add_argument("--learning-rate", type=float)
    sub.add_argument("--schedule", choices=["constant", "cosine"], help="of the learning rate")
    sub.add_argument("--loss", help="that of some network's recipe, or any that Keras knows")
    sub.add_argument("--optimizer", help="any optimizer that Keras knows by name")
    sub.add_argument("--per-set", type=positive, help="at most so many photos of a set an epoch")
    text = "no random crops, no mirroring"
    sub.add_argument("--no-augment", action="store_const", const=False, dest="augment", help=text)
    sub.add_argument("--seed", type=int)
    text = "all: each takes a part of every batch"
    sub.add_argument("--devices", choices=["one", "all"], help=text)


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
    sub.add_argument("--size", type=size, default=256, help="photos are cropped and resized to it")
    sub.add_argument("--limit", type=positive, help="only so many photos")
    kinds = ["set", "colourfulness", "skin"]
    text = "a table of the photos by that, too; may be repeated"
    sub.add_argument("--by", action="append", default=[], choices=kinds, help=text)
    text = "how far from photos in what a classifier sees, too"
    sub.add_argument("--features", action="store_true", help=text)
    text = "FID too, by NVIDIA's inception-2015-12-05.pt, see docs/usage.md"
    sub.add_argument("--fid", metavar="FILE", help=text)
    sub.add_argument("--lpips", metavar="FILE", help="LPIPS too, by NVIDIA's vgg16.pt, see there")
    text = "score coloured pictures with the photos' names there; no network but with --model"
    sub.add_argument("--results", metavar="FOLDER", help=text)
    text = "write the report there too; interrupted, the next call goes on"
    sub.add_argument("--json", metavar="F", help=text)
    text = "released network, run folder or .keras file; colornet without --results"
    model_option(sub, default=None, help=text)


def _wanted(args):
    """The figures that take longer; what they need starts slowly."""
    if "skin" in args.by:
        from colornet.evaluation.skin import Skin

        yield Skin()
    if args.features:
        from colornet.evaluation.features import Features

        yield Features()
    if args.fid or args.lpips:
        from colornet.evaluation.brought import FID, LPIPS

        yield from (kind(file) for kind, file in ((FID, args.fid), (LPIPS, args.lpips)) if file)


@command("evaluate", "Score a network beside grey and other baselines.")(_evaluate_options)
def _evaluate(args):
    from colornet.evaluation import breakdown
    from colornet.evaluation.evaluate import evaluate
    from colornet.evaluation.tables import table
    from colornet.evaluation.testset import read_test_set
    from colornet.storage import write_json

    model = args.model or (None if args.results else "colornet")
    journal = Path(args.json).with_suffix(".photos.jsonl") if args.json else None
    wanted = [*_wanted(args)]
    try:
        test = read_test_set(args.photos, args.size, args.limit)
        report, _ = evaluate(model, test, results=args.results, wanted=wanted, journal=journal)
    except KeyboardInterrupt:
        if journal:
            raise  # what is done is kept
        raise KeyboardInterrupt("nothing is kept without --json F") from None
    print(f"{report['protocol']}\n{report['photos']} photos\n\n{table(report)}")
    for what in dict.fromkeys(args.by):
        if what != "skin":
            print(f"\n{breakdown.table(report, what)}")
    for what in wanted:
        print(f"\n{what.table(report[what.name])}")
    if args.json:
        write_json(args.json, dict(model=model, results=args.results) | report)


def _benchmark_options(sub):
    sub.add_argument("data", metavar="DIR", help="a prepared set")
    sub.add_argument("-o", "--output", required=True, metavar="DIR", help="of runs and table")
    text = "photos that each network sees in training"
    sub.add_argument("--budget", type=positive, default=30_000, help=text)
    sub.add_argument("--photos", type=positive, default=300, help="test photos to score")
    sub.add_argument("--size", type=size, default=128, help="height and width in training")
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
