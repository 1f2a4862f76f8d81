"""The commands that offer a network to others: exports, the page, the demo."""

from pathlib import Path

from colornet.commands.registry import command, load, model_option, positive
from colornet.quiet import silent


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
    sub.add_argument("--port", type=positive, default=7860)
    text = "let pages of https://SITE use this server; may be repeated"
    sub.add_argument("--allow-origin", action="append", default=[], metavar="SITE", help=text)
    model_option(sub)


@command("serve", "The web page: a grey photo in, its colours out; and its API.", "web")(
    _serve_options
)
def _serve(args):
    from colornet.web.server import serve

    serve(args.model, args.host, args.port, args.allow_origin)


def _site_options(sub):
    sub.add_argument("-o", "--output", required=True, metavar="DIR", help="a new folder, or a site")
    model_option(sub)


@command("site", "Write the page as static files: the network runs in the browser.", "site")(
    _site_options
)
def _site(args):
    with silent():
        from colornet.web.site import make_site

        folder = make_site(args.output, args.model)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1e6:.0f} MB for any host; try it: python -m http.server -d {folder}")


def _demo_options(sub):
    sub.add_argument("-o", "--output", default="outputs", metavar="DIR")
    model_option(sub)


@command("demo", "Colour the sample photos and print PSNR and SSIM beside grey's.")(_demo_options)
def _demo(args):
    from colornet.evaluation.demo import demo

    out = Path(args.output) / "demo.png"
    print(demo(load(args.model), out))
    print(f"\n{out}: grey, coloured, original")
