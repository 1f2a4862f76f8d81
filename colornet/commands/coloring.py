"""The commands that colour: photos, archives, films."""

import sys

from colornet.commands.registry import command, load, model_option, positive, share
from colornet.errors import needs, one_line, say


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


def _guide_options(sub):
    text = (
        "colours after a photo in colour, or a folder of them: those of the same things, and its "
    )
    text += "palette; may be repeated"
    sub.add_argument("--reference", action="append", default=[], metavar="PHOTO", help=text)
    text = "the colours of things that remember was told, where they are found again"
    sub.add_argument("--memory", metavar="F", help=text)


def _guides(args):
    from colornet.inference.memory import read_memory
    from colornet.inference.reference import read_reference

    guides = [read_memory(args.memory)] if args.memory else []
    return (*guides, *([read_reference(args.reference)] if args.reference else []))


def _files_options(sub):
    """Of commands that take photo files and folders and give as many."""
    sub.add_argument("photos", nargs="+", metavar="IN", help="photo files and folders")
    sub.add_argument("-o", "--output", required=True, metavar="OUT", help="a file or a folder")
    sub.add_argument("--force", action="store_true", help="replace results that are there")
    sub.add_argument("--quality", type=int, default=95, help="of JPEG results, 1 to 100")
    sub.add_argument("--record", metavar="F", help="add a line in JSON for each photo to this file")
    text = "of files with several pictures"
    sub.add_argument("--pages", default="first", choices=["first", "all"], help=text)
    _mark_options(sub)


def _repair_option(sub):
    text = "mend damage first: what surely is some, or with strong what may be"
    sub.add_argument("--repair", nargs="?", const="mild", choices=["mild", "strong"], help=text)


def _repair_options(sub):
    text = (
        "of one photo: an image of its size, white where it is damaged; nothing else is looked for"
    )
    sub.add_argument("--mask", metavar="F", help=text)
    text = "write also what was repaired, white on black, to be corrected and given by --mask"
    sub.add_argument("--write-mask", action="store_true", help=text)
    text = "make fading and uneven light milder; it changes lightness everywhere"
    sub.add_argument("--tone", action="store_true", help=text)


def _told(report, out, done):
    """Tells what became of files, `done` in a word; the exit code."""
    print(f"{len(report['done'])} {done} into {one_line(out)}", end="")
    print(f", {len(report['kept'])} there already (--force does them again)" * bool(report["kept"]))
    if report["failed"]:
        if sum(map(len, report.values())) > 1:
            print(f"{len(report['failed'])} could not be {done}, named above", file=sys.stderr)
        return 1
    return 0


def _colorize_options(sub):
    _files_options(sub)
    text = "0 safe to 1 vivid; by default what the network is best at"
    sub.add_argument("--vividness", type=share, help=text)
    text = (
        "the colour at a place of one photo, in its pixels; how far it reaches, as a share of the "
    )
    text += "longer side; may be repeated"
    sub.add_argument(
        "--hint", action="append", default=[], metavar="X,Y,#RRGGBB[,REACH]", help=text
    )
    sub.add_argument("--hints", metavar="F", help="a text file with one hint a line")
    text = "colour in so many ways, to 20"
    sub.add_argument("--variants", type=positive, default=1, help=text)
    text = "write also how sure the network is of each place"
    sub.add_argument("--confidence", action="store_true", help=text)
    _guide_options(sub)
    text = "write 'colours by AI' into the corner"
    sub.add_argument("--corner-mark", action="store_true", help=text)
    _repair_option(sub)
    _repair_options(sub)
    model_option(sub)


@command("colorize", "Colour photos, at their own size and lightness.")(_colorize_options)
def _colorize(args):
    from colornet.color.hints import parse, read_hints
    from colornet.errors import PhotoError
    from colornet.inference.folders import colorize_files
    from colornet.inference.order import Order
    from colornet.inference.repair import Repair
    from colornet.inference.steering import Steering

    hints = [parse(text) for text in args.hint] + (read_hints(args.hints) if args.hints else [])
    repair = None
    if args.repair or args.mask:
        repair = Repair(args.repair or "mild", args.mask, args.tone)
    elif args.tone:
        raise PhotoError("tone is evened in a repair; ask for --repair too")
    colorizer = load(args.model)
    order = Order(
        Steering(args.vividness, hints),
        args.variants,
        args.confidence,
        args.pages == "all",
        args.quality,
        args.force,
        not args.no_mark,
        args.corner_mark,
        credentials=_credentials(args),
        repair=repair,
        write_mask=args.write_mask,
        guides=_guides(args),
    )
    report = colorize_files(colorizer, args.photos, args.output, order, args.record)
    return _told(report, args.output, "coloured")


def _repair_command_options(sub):
    _files_options(sub)
    text = "mild mends what surely is damage, strong what may be"
    sub.add_argument("--strength", default="mild", choices=["mild", "strong"], help=text)
    _repair_options(sub)


@command("repair", "Mend scratches, dust and holes of photos, grey or in colour.")(
    _repair_command_options
)
def _repair(args):
    from colornet.inference.folders import colorize_files
    from colornet.inference.order import Order
    from colornet.inference.repair import Repair

    order = Order(
        every_page=args.pages == "all",
        quality=args.quality,
        force=args.force,
        mark=not args.no_mark,
        credentials=_credentials(args),
        repair=Repair(args.strength, args.mask, args.tone),
        write_mask=args.write_mask,
        colorize=False,
    )
    report = colorize_files(None, args.photos, args.output, order, args.record)
    return _told(report, args.output, "repaired")


def _remember_options(sub):
    sub.add_argument("photo", metavar="PHOTO", help="in which the thing is seen")
    text = "a place of the thing, in pixels of the photo, and its colour; may be repeated"
    sub.add_argument(
        "--hint", action="append", required=True, metavar="X,Y,#RRGGBB[,REACH]", help=text
    )
    sub.add_argument("--as", required=True, dest="name", metavar="NAME", help="such as coat")
    text = "the file that remembers, in JSON; made where there is none"
    sub.add_argument("--memory", required=True, metavar="F", help=text)


@command("remember", "Remember the colour of a thing, for other photos of it.")(_remember_options)
def _remember(args):
    from pathlib import Path

    from colornet.inference.memory import Memory, read_memory
    from colornet.photos.read import read_photo

    memory = read_memory(args.memory) if Path(args.memory).exists() else Memory()
    photo = read_photo(args.photo)
    for told in args.hint:
        memory.remember(args.name, photo, told, args.photo)
    memory.save(args.memory)
    thing = memory.things[args.name]
    places = f"{len(thing.places)} place" + "s" * (len(thing.places) != 1)
    print(f"{one_line(args.memory)}: {one_line(args.name)} is {thing.colour}, told at {places}")


def _archive_options(sub):
    sub.add_argument("source", metavar="IN", help="a folder or address, such as s3://bucket/scans")
    sub.add_argument("out", metavar="OUT", help="a folder or address")
    text = "colour photos that are grey alone, or all"
    sub.add_argument("--only", default="grey", choices=["grey", "all"], help=text)
    sub.add_argument("--retry", action="store_true", help="try those again that failed")
    text = "ray: on the cluster of RAY_ADDRESS, else on this machine's cores"
    sub.add_argument("--engine", default="processes", choices=["processes", "ray"], help=text)
    sub.add_argument("--workers", type=positive, help="how many at once; by default one a core")
    sub.add_argument("--quality", type=int, default=95, help="of JPEG results, 1 to 100")
    text = "0 safe to 1 vivid; by default what the network is best at"
    sub.add_argument("--vividness", type=share, help=text)
    _repair_option(sub)
    text = "how many of the least sure results OUT/review.html shows"
    sub.add_argument("--review", type=int, default=60, metavar="N", help=text)
    sub.add_argument("--bag", action="store_true", help="make OUT a bag, RFC 8493")
    sub.add_argument("--ledger", metavar="F", help="where it is noted what is done; in OUT")
    sub.add_argument("--record", metavar="F", help="write a line in JSON for each file there")
    _mark_options(sub)
    model_option(sub)


@command("archive", "Colour a folder of any size; goes on where it was left.", "archive")(
    _archive_options
)
def _archive(args):
    from colornet.archive.archive import ArchiveOrder, colorize_archive
    from colornet.archive.task import Task
    from colornet.inference.order import Order
    from colornet.inference.repair import Repair
    from colornet.inference.steering import Steering

    marks = dict(mark=not args.no_mark, credentials=_credentials(args))
    repair = Repair(args.repair) if args.repair else None
    order = Order(Steering(args.vividness), quality=args.quality, repair=repair, **marks)
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

    counts = recolor(args.record, lambda name: load(args.model or name), args.output, args.force)
    print(", ".join(f"{number} {what}" for what, number in counts.items() if number))
    return 1 if counts["failed"] or counts["changed"] else 0


def _video_options(sub):
    sub.add_argument("film", metavar="IN")
    sub.add_argument("output", metavar="OUT", help="an mp4 file")
    sub.add_argument("--force", action="store_true", help="replace a result that is there")
    sub.add_argument("--vividness", type=share, help="0 safe to 1 vivid")
    text = "a text file of colours told: frame,x,y,#rrggbb or 12.5s,x,y,#rrggbb a line, "
    text += "with ' until 300' or ' until 20s' where they are to end"
    sub.add_argument("--hints", metavar="F", help=text)
    text = "a folder of pictures that shots wrote, coloured: the film is coloured after them"
    sub.add_argument("--guide", metavar="DIR", help=text)
    _guide_options(sub)
    text = "colour each frame by itself; it flickers more"
    sub.add_argument("--each", action="store_true", help=text)
    text = "take away dust and scratches that stand in one frame alone"
    sub.add_argument("--repair", action="store_true", help=text)
    _mark_options(sub)
    model_option(sub)


@command("video", "Colour a film; its sound stays.")(_video_options)
def _video(args):
    with needs("video", "films need"):
        from colornet.video.film import FilmOrder, colorize_video
        from colornet.video.guide import read_guides
        from colornet.video.told import read_told

    told = read_told(args.hints) if args.hints else []
    told += read_guides(args.guide) if args.guide else []
    marks = not args.no_mark, _credentials(args)
    asked = dict(told=tuple(told), guides=_guides(args), repair=args.repair)
    order = FilmOrder(args.vividness, not args.each, args.force, *marks, **asked)
    try:
        number = colorize_video(load(args.model), args.film, args.output, order, say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{args.output} was not written") from None
    print(f"{args.output}: {number} frames")


def _shots_options(sub):
    sub.add_argument("film", metavar="IN")
    text = "a folder for the pictures and the list, shots.csv"
    sub.add_argument("-o", "--output", required=True, metavar="DIR", help=text)
    model_option(sub)


@command("shots", "Write a picture of each shot of a film, to be coloured for video --guide.")(
    _shots_options
)
def _shots(args):
    with needs("video", "films need"):
        from colornet.video.shots import write_shots

    number = write_shots(args.film, args.output, load(args.model).network)
    print(f"{args.output}: {number} shots")
