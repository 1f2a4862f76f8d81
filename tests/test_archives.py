"""What a file says of itself, through colouring: checked by ExifTool, an outside reader.

`test_what_is_kept` also writes outputs/kept.md, the table of docs/archives.md.
"""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from colornet.__main__ import main
from colornet.checksums import digest
from colornet.photos import exif as blocks
from colornet.photos import history, metadata, xmp
from colornet.photos.history import Step
from colornet.photos.metadata import Metadata
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

pillow_heif.register_heif_opener()
needs_exiftool = pytest.mark.skipif(
    not shutil.which("exiftool"), reason="no exiftool: apt-get install libimage-exiftool-perl"
)
RGB = np.random.default_rng(0).integers(60, 190, (24, 36, 3), dtype=np.uint8)
DEEP = RGB.astype(np.uint16) * 257
NOTES = b"Agfa notes: " + bytes(range(99))
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
STEP = Step("ab" * 32, "colornet", "cd" * 32, "vividness 0.5", "2026-01-02T03:04:05+01:00")


def exiftool(*arguments):
    """What ExifTool says: a list with a dict for each file, groups before the tags' names."""
    command = ["exiftool", "-j", "-G0", "-struct", *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def edit(*arguments):
    """Lets ExifTool write; what a format has no place for, it passes over."""
    command = ["exiftool", "-q", "-q", "-overwrite_original", *map(str, arguments)]
    subprocess.run(command, capture_output=True, check=False)


def _of_dpi(tags):
    inches = {"XResolution": 1, "PixelsPerUnitX": 0.0254, "PixelsPerMeterX": 0.0254}
    inches |= {"CaptureXResolution": 0.0254, "DisplayXResolution": 0.0254}
    found = [tags[key] * inches[name] for key in tags if (name := key.split(":")[-1]) in inches]
    return any(abs(float(dpi) - 300) < 0.5 for dpi in found)


KINDS = {
    "resolution": _of_dpi,
    "EXIF": lambda tags: tags.get("EXIF:Artist") == "Wer",
    "IPTC": lambda tags: tags.get("IPTC:City") == "Lübeck",
    "XMP": lambda tags: tags.get("XMP:Creator") == ["Wer"],
    "comment": lambda tags: "Großmutter" in {tags.get(f"{g}:Comment") for g in COMMENTS},
    "PNG text": lambda tags: tags.get("PNG:Source") == "Schrank 3",
    "profile": lambda tags: bool(tags.get("ICC_Profile:ProfileDescription")),
}
COMMENTS = ("File", "GIF", "PNG", "Jpeg2000")


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Files of every format, with all that ExifTool can put into each."""
    folder, image = tmp_path_factory.mktemp("originals"), Image.fromarray(RGB)
    text = PngImagePlugin.PngInfo()
    text.add_text("Source", "Schrank 3")
    dpi = dict(dpi=(300, 300), icc_profile=ICC)
    image.save(folder / "JPEG.jpg", **dpi)
    image.save(folder / "PNG.png", pnginfo=text, **dpi)
    image.save(folder / "WebP.webp", lossless=True, icc_profile=ICC)
    image.save(folder / "TIFF.tif", **dpi)
    image.save(folder / "BMP.bmp", dpi=(300, 300))
    image.save(folder / "GIF.gif", comment="Großmutter".encode())
    image.save(folder / "AVIF.avif", icc_profile=ICC)
    image.save(folder / "HEIC.heic", icc_profile=ICC)
    (folder / "JPEG 2000.jp2").write_bytes(imagecodecs.jpeg2k_encode(RGB, level=0))
    write_photo(folder / "PNG, 16 bits.png", Photo(DEEP, icc=ICC))
    tifffile.imwrite(
        folder / "TIFF, 16 bits.tif",
        DEEP,
        photometric="rgb",
        iccprofile=ICC,
        resolution=(300, 300),
        resolutionunit="INCH",
    )
    tifffile.imwrite(
        folder / "BigTIFF.tif",
        RGB,
        photometric="rgb",
        bigtiff=True,
        extratags=[(315, 2, 4, "Wer", True)],
        resolution=(300, 300),
        resolutionunit="INCH",
    )
    tags = ["EXIF:Artist=Wer", "EXIF:XResolution=300", "EXIF:YResolution=300"]
    tags += ["XMP-dc:Creator=Wer", "Comment=Großmutter"]
    tags += ["IPTC:CodedCharacterSet=UTF8", "IPTC:City=Lübeck"]
    edit(*(f"-{tag}" for tag in tags), folder)
    return folder


def _cell(before, after):
    lost = [kind for kind, there in KINDS.items() if there(before) and not there(after)]
    return "all" if not lost else f"all but {', '.join(lost)}"


@needs_exiftool
def test_what_is_kept(originals, tmp_path):
    suffixes = dict(JPEG=".jpg", PNG=".png", TIFF=".tif", WebP=".webp", BMP=".bmp")
    names = sorted(path.name for path in originals.iterdir())
    said = {}
    for name in names:
        photo = read_photo(originals / name)._replace(step=STEP)
        for suffix in suffixes.values():
            if photo.pixels.dtype == np.uint8 or suffix in (".png", ".tif"):
                target = tmp_path / f"{name}{suffix}"
                said[target.name] = write_photo(target, photo)
    before = {Path(tags["SourceFile"]).name: tags for tags in exiftool("-n", originals)}
    after = {Path(tags["SourceFile"]).name: tags for tags in exiftool("-n", tmp_path)}
    lines = ["| from | holds | " + " | ".join(f"to {kind}" for kind in suffixes) + " |"]
    lines.append("|---" * (2 + len(suffixes)) + "|")
    for name in names:
        cells = []
        for suffix in suffixes.values():
            new = after.get(f"{name}{suffix}")
            cells.append(_cell(before[name], new) if new else "holds no 16 bits")
            if new:
                lost = set(KINDS) - {"resolution"} if cells[-1] != "all" else ()
                missing = {kind for kind in lost if KINDS[kind](before[name])}
                missing -= {kind for kind in missing if KINDS[kind](new)}
                told = {"colour profile": "profile"}
                assert missing <= {told.get(word, word) for word in said[f"{name}{suffix}"]}
                assert suffix == ".bmp" or new["XMP:DigitalSourceType"] == TRAINED
                assert "Warning" not in " ".join(new), new
        held = ", ".join(kind for kind, there in KINDS.items() if there(before[name]))
        lines.append(f"| {Path(name).stem} | {held} | {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n"
    root = Path(__file__).parents[1]
    (root / "outputs").mkdir(exist_ok=True)
    (root / "outputs" / "kept.md").write_text(table, encoding="utf-8")
    page = (root / "docs" / "archives.md").read_text(encoding="utf-8")
    assert table in page, "the table of docs/archives.md is another: outputs/kept.md has today's"


def _camera_jpeg(path, orientation):
    """A grey JPEG as a camera has it: a thumbnail, sizes, and notes in the camera's own way."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[282], exif[283], exif[296] = (
        orientation,
        "Agfa",
        300.0,
        600.0,
        2,
    )
    exif.get_ifd(0x8769).update(
        {0xA002: 36, 0xA003: 24, 0x927C: b"Agfa notes: " + bytes(range(99))}
    )
    Image.fromarray(RGB[..., 0]).save(path, exif=exif.tobytes())
    Image.fromarray(RGB[..., 0]).resize((16, 12)).save(path.with_name("thumbnail.jpg"))
    edit(f"-ThumbnailImage<={path.with_name('thumbnail.jpg')}", "-XMP-tiff:Orientation#=6", path)


@needs_exiftool
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_is_true_of_the_upright_photo(suffix, tmp_path):
    _camera_jpeg(tmp_path / "in.jpg", 6)
    (before,) = exiftool("-n", tmp_path / "in.jpg")
    assert before["EXIF:ThumbnailLength"] and before["XMP:Orientation"] == 6
    write_photo(tmp_path / f"out{suffix}", read_photo(tmp_path / "in.jpg"))
    (after,) = exiftool("-n", tmp_path / f"out{suffix}")
    assert not [name for name in after if "Thumbnail" in name] and "XMP:Orientation" not in after
    assert after["EXIF:Orientation"] == 1 and after["EXIF:Make"] == "Agfa"
    assert (after["EXIF:ExifImageWidth"], after["EXIF:ExifImageHeight"]) == (24, 36)
    assert (after["EXIF:XResolution"], after["EXIF:YResolution"]) == (600, 300)
    assert NOTES in (tmp_path / f"out{suffix}").read_bytes()


def test_notes_of_cameras_stay_where_they_lay(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    exif.get_ifd(0x8769)[0x927C] = NOTES
    before = exif.tobytes().removeprefix(b"Exif\0\0")
    after = blocks.upright(before, 10, 20, True)
    assert len(after) == len(before) and after.find(NOTES) == before.find(NOTES) > 0
    assert sum(a != b for a, b in zip(before, after)) == 1  # the orientation


@pytest.mark.parametrize(
    "block", [b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff", bytes(40), b"II*\0" * 9]
)
def test_damaged_exif_is_told_and_left_out(block, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.metadata.exif is None and photo.notes == (metadata.DAMAGED,) * bool(block)


# The mark


@needs_exiftool
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_mark_is_read_and_a_second_one_follows_the_first(suffix, tmp_path):
    first, second = tmp_path / f"first{suffix}", tmp_path / f"second{suffix}"
    packet = tmp_path / "before.xmp"
    edit("-XMP-iptcExt:DigitalSourceType=http://cv.iptc.org/x/negativeFilm", packet)
    edit("-XMP-dc:Title=Oma & Opa <3", "-XMP-dc:Description=母", packet)
    known = Metadata(xmp=packet.read_bytes())
    assert write_photo(first, Photo(RGB, metadata=known, step=STEP)) == []
    again = replace(STEP, source="ef" * 32)
    assert write_photo(second, read_photo(first)._replace(step=again)) == []
    for file, steps in ((first, 1), (second, 2)):
        (tags,) = exiftool(file)
        assert tags["XMP:DigitalSourceType"] == TRAINED
        assert tags["XMP:AISystemUsed"] == "colornet, network colornet"
        assert tags["XMP:Title"] == "Oma & Opa <3" and tags["XMP:Description"] == "母"
        assert len(tags["XMP:History"]) == steps
        event = tags["XMP:History"][0]
        assert event["Action"] == "edited" and event["When"] == "2026:01:02 03:04:05+01:00"
        for word in (STEP.source, STEP.model_sha256, "vividness 0.5", "negativeFilm"):
            assert word in event["Parameters"]
        assert tags["XMP:InstanceID"] == tags["XMP:History"][-1]["InstanceID"]


def test_no_mark_leaves_xmp_as_it_was(tmp_path):
    packet, _ = history.marked(None, STEP)
    photo = Photo(RGB, metadata=Metadata(xmp=packet), step=STEP)
    write_photo(tmp_path / "a.png", photo, mark=False)
    assert read_photo(tmp_path / "a.png").metadata.xmp == packet
    write_photo(tmp_path / "b.png", Photo(RGB, step=STEP), mark=False)
    assert read_photo(tmp_path / "b.png").metadata.xmp is None


BOMB = b'<!DOCTYPE a [<!ENTITY b "bb">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>'


@pytest.mark.parametrize("packet", [b"no XML", b"<a/>", BOMB, b"\xff\xfe<", history.marked(
    None, STEP)[0][:-200]], ids=["text", "no RDF", "entities", "bytes", "cut off"])  # fmt: skip
def test_damaged_xmp_is_kept_or_told(packet, tmp_path):
    photo = Photo(RGB, metadata=Metadata(xmp=packet), step=STEP)
    assert write_photo(tmp_path / "a.png", photo, mark=False) == []
    assert read_photo(tmp_path / "a.png").metadata.xmp == packet
    assert write_photo(tmp_path / "a.png", photo) == ["XMP (it is damaged)"]
    assert xmp.value(read_photo(tmp_path / "a.png").metadata.xmp, history.SOURCE) == TRAINED


def test_what_a_jpeg_has_no_room_for_is_left_out(tmp_path):
    large = b"<!--" + b"x" * 66_000 + b"-->"
    packet = history.marked(None, STEP)[0].replace(b"<rdf:RDF", large + b"<rdf:RDF")
    known = Metadata(b"II*\0" + bytes(66_000), None, packet, ((1028, large),), large)
    left = write_photo(tmp_path / "a.jpg", Photo(RGB, metadata=known, step=STEP))
    assert left == ["EXIF", "IPTC", "comment", "XMP (over 64 kB)"]
    assert xmp.value(read_photo(tmp_path / "a.jpg").metadata.xmp, history.SOURCE) == TRAINED


@needs_exiftool
def test_xmp_that_goes_on_in_further_segments_is_read(tmp_path):
    edit("-XMP-dc:Title=Oma", tmp_path / "first.xmp")
    edit("-XMP-dc:Description=" + "Brief " * 12_000, tmp_path / "more.xmp")
    more, name = (tmp_path / "more.xmp").read_bytes(), b"0123456789ABCDEF" * 2
    first = (tmp_path / "first.xmp").read_bytes()
    note = (
        b'<rdf:Description rdf:about="" xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="'
    )
    first = first.replace(b"</rdf:RDF>", note + name + b'"/></rdf:RDF>')
    segments = b""
    for at in (60_000, 0):  # in any order
        body = b"http://ns.adobe.com/xmp/extension/\0" + name
        body += len(more).to_bytes(4) + at.to_bytes(4) + more[at : at + 60_000]
        segments += b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body
    Image.fromarray(RGB).save(tmp_path / "in.jpg", xmp=first, extra=segments)
    (before,) = exiftool(tmp_path / "in.jpg")
    write_photo(tmp_path / "out.png", read_photo(tmp_path / "in.jpg")._replace(step=STEP))
    (after,) = exiftool(tmp_path / "out.png")
    for tag in ("XMP:Title", "XMP:Description"):
        assert after[tag] == before[tag] and len(after[tag]) > 2
    assert "XMP:HasExtendedXMP" not in after


def test_what_a_format_does_not_hold_is_said_once(tmp_path, capfd):
    for name in "ab":
        Image.fromarray(RGB).save(tmp_path / f"{name}.bmp")
    assert main(["colorize", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "does not hold" in line]
    assert len(told) == 1 and ".bmp does not hold mark" in told[0]


# The record


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with photos, their results, and the record of them."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "in" / "sub").mkdir(parents=True)
    _save = Image.fromarray(RGB[..., 0]).save
    _save(folder / "in" / "a.jpg")
    _save(folder / "in" / "sub" / "b.png")
    _save(folder / "in" / "pages.tif", save_all=True, append_images=[Image.fromarray(RGB)])
    (folder / "in" / "bad.png").write_text("no photo")
    command = ["colorize", folder / "in", "-o", folder / "out", "--record", folder / "r.jsonl"]
    command += ["--variants", 2, "--confidence", "--pages", "all", "--vividness", 0.7]
    assert main([str(word) for word in command]) == 1
    return folder


def _lines(record):
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_record_tells_what_was_done(recorded):
    lines = {
        (Path(line["photo"]).name, line.get("picture")): line
        for line in _lines(recorded / "r.jsonl")
    }
    assert {*lines} == {
        ("a.jpg", 0),
        ("b.png", 0),
        ("pages.tif", 0),
        ("pages.tif", 1),
        ("bad.png", None),
    }
    assert "not a JPEG" in lines["bad.png", None]["error"]
    line = lines["a.jpg", 0]
    sums = subprocess.run(
        ["sha256sum", line["photo"], *(result["file"] for result in line["results"])],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[::2]
    assert sums == [line["sha256"], *(result["sha256"] for result in line["results"])]
    assert [Path(result["file"]).name for result in line["results"]] == [
        "a.jpg", "a-variant2.jpg", "a-confidence.jpg",
    ]  # fmt: skip
    assert (line["width"], line["height"], line["bits"], line["error"]) == (36, 24, 8, None)
    assert line["model"] == "colornet" and re.fullmatch("[0-9a-f]{64}", line["model_sha256"])
    assert line["settings"]["vividness"] == 0.7 and line["settings"]["variants"] == 2
    assert 0 < line["confidence"]["mean"] < 1 and 0 <= line["confidence"]["unsure"] <= 1
    assert line["colourfulness"] > 0 and line["seconds"] > 0


def test_recolor_makes_the_same_bytes(recorded, tmp_path, capfd):
    assert main(["recolor", str(recorded / "r.jsonl"), "-o", str(tmp_path)]) == 0
    assert "4 made" in capfd.readouterr().out
    names = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(names) == 12
    for name in names:
        assert (tmp_path / name).read_bytes() == (recorded / "out" / name).read_bytes(), name
    assert main(["recolor", str(recorded / "r.jsonl")]) == 0
    assert "4 there" in capfd.readouterr().out


def test_recolor_tells_of_changes(recorded, tmp_path, capfd):
    folder = tmp_path / "copy"
    shutil.copytree(recorded, folder)
    record = folder / "r.jsonl"
    text = record.read_text().replace(str(recorded), str(folder))
    record.write_text(text)
    with open(folder / "in" / "a.jpg", "ab") as file:
        file.write(b"x")
    (folder / "in" / "pages.tif").unlink()
    (folder / "out" / "sub" / "b.png").write_text("edited since")
    assert main(["recolor", str(record)]) == 1
    told = capfd.readouterr().err
    assert "a.jpg: is not the photo that was coloured" in told
    assert "pages.tif: No such file" in told and "b.png: is there and another; --force" in told
    assert (folder / "out" / "sub" / "b.png").read_text() == "edited since"
    assert main(["recolor", str(record), "--force"]) == 1
    result = (folder / "out" / "sub" / "b.png").read_bytes()
    assert result == (recorded / "out" / "sub" / "b.png").read_bytes()
    record.write_text(text.replace('"model_sha256": "', '"model_sha256": "0'))
    assert main(["recolor", str(record)]) == 1
    assert "name it by --model" in capfd.readouterr().err
    record.write_text(text + "nonsense\n")
    assert main(["recolor", str(record)]) == 1
    assert f"{record}: line 6 is none" in capfd.readouterr().err


def test_record_that_a_kill_cut_off_goes_on(recorded, tmp_path):
    record = tmp_path / "r.jsonl"
    whole = (recorded / "r.jsonl").read_text()
    record.write_text(whole + '{"photo": "half')
    photo, out = recorded / "in" / "a.jpg", tmp_path / "new.jpg"
    assert main(["colorize", str(photo), "-o", str(out), "--record", str(record)]) == 0
    assert record.read_text().startswith(whole) and len(_lines(record)) == 6


def test_recolor_with_hints_and_a_palette(recorded, tmp_path):
    record, photo = tmp_path / "r.jsonl", recorded / "in" / "a.jpg"
    Image.fromarray(np.tile(np.uint8([[[200, 60, 40]]]), (64, 64, 1))).save(tmp_path / "red.png")
    for name, more in dict(
        a=["--hint", "3,4,#c03028"], b=["--reference", tmp_path / "red.png"]
    ).items():
        command = ["colorize", photo, "-o", tmp_path / f"{name}.png", "--record", record, *more]
        assert main([str(word) for word in command]) == 0
    (tmp_path / "red.png").unlink()
    assert main(["recolor", str(record), "-o", str(tmp_path / "again")]) == 0
    for name in ("a.png", "b.png"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


# Films


def _film(path):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in (60, 120, 180):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), level, np.uint8), "gray")
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode())


@needs_exiftool
def test_films_are_marked_and_keep_what_they_said(tmp_path):
    first, second, bare = (tmp_path / f"{name}.mp4" for name in ("first", "second", "bare"))
    _film(tmp_path / "old.mov")
    edit("-XMP-dc:Title=Oma", tmp_path / "old.mov")  # where QuickTime has it
    assert main(["video", str(tmp_path / "old.mov"), str(first)]) == 0
    assert main(["video", str(first), str(second), "--vividness", "1"]) == 0
    assert main(["video", str(tmp_path / "old.mov"), str(bare), "--no-mark"]) == 0
    told = [exiftool(file)[0] for file in (first, second, bare)]
    assert [tags["XMP:Title"] for tags in told] == ["Oma"] * 3
    assert [len(tags.get("XMP:History", ())) for tags in told] == [1, 2, 0]
    assert told[0]["XMP:DigitalSourceType"] == TRAINED and "XMP:DigitalSourceType" not in told[2]
    event = told[1]["XMP:History"][1]["Parameters"]
    assert digest(first) in event and "vividness 1" in event
