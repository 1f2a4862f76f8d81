"""The command line, as someone types it."""

import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from conftest import interruptible, tiny
from PIL import Image

from colornet.__main__ import main
from colornet.data import samples
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained network in a file."""
    keras.utils.set_random_seed(0)
    file = tmp_path_factory.mktemp("model") / "small.keras"
    tiny("encoder_decoder").save(file)
    return str(file)


@pytest.fixture
def photo(tmp_path):
    grey = np.asarray(Image.fromarray(samples.sample("rocket")).convert("L"))[::6, ::6]
    write_photo(tmp_path / "photo.png", Photo(np.ascontiguousarray(grey)))
    return tmp_path / "photo.png"


def typed(*arguments, cwd):
    """A process of its own, as the shell would start it."""
    command = [sys.executable, "-m", "colornet", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_colorize_as_typed(model, photo, tmp_path):
    (tmp_path / "photos/sub").mkdir(parents=True)
    photo.rename(tmp_path / "photos/sub/an old photo.png")
    (tmp_path / "photos/bad.jpg").write_text("oops")
    done = typed("colorize", "photos", "-o", "out", "--model", model, cwd=tmp_path)
    assert done.returncode == 1  # for the bad one
    assert done.stdout == "1 coloured into out\n"
    assert "colornet: photos/bad.jpg: not a JPEG" in done.stderr
    assert "1 could not be coloured, named above" in done.stderr
    assert "2/2" in done.stderr and "Traceback" not in done.stderr
    with Image.open(tmp_path / "out/sub/an old photo.png") as image:
        assert image.mode == "RGB"


def test_error_as_typed_is_one_line(photo, tmp_path):
    done = typed("colorize", "photo.png", "-o", "photo.png", cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("colornet: photo.png: is one of the photos")
    assert done.stderr.count("\n") == 1


def test_unknown_model_as_typed(photo, tmp_path):
    done = typed("colorize", photo, "-o", "out", "--model", "rembrandt", cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == "" and not (tmp_path / "out").exists()
    assert done.stderr.startswith("colornet: rembrandt") and done.stderr.count("\n") == 1


def failed(capsys, *arguments):
    """The one line of an error."""
    assert main([*map(str, arguments)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("colornet: ") and error.count("\n") == 1
    return error


def test_one_photo(model, photo, tmp_path, capsys):
    out = tmp_path / "new/photo.jpg"
    assert main(["colorize", str(photo), "-o", str(out), "--model", model]) == 0
    assert capsys.readouterr() == (f"1 coloured into {out}\n", "")  # no progress for one
    with Image.open(out) as image:
        assert image.format == "JPEG" and image.size == Image.open(photo).size
        assert [part[1:3] for part in image.layer] == [(1, 1)] * 3


def test_force_and_quality(model, photo, tmp_path, capsys):
    out = tmp_path / "photo.jpg"
    command = ["colorize", str(photo), "-o", str(out), "--model", model]
    assert main(command) == 0
    first = out.read_bytes()
    assert main([*command, "--quality", "20"]) == 0
    assert "1 there already" in capsys.readouterr().out and out.read_bytes() == first
    assert main([*command, "--quality", "20", "--force"]) == 0
    assert len(out.read_bytes()) < len(first)


def test_model_by_run_folder(photo, tmp_path):
    keras.utils.set_random_seed(0)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"model": "encoder_decoder", "options": {"width": 8}}')
    tiny("encoder_decoder").save_weights(run / "best.weights.h5")
    assert main(["colorize", str(photo), "-o", str(tmp_path / "out"), "--model", str(run)]) == 0
    assert (tmp_path / "out/photo.png").exists()


def test_bad_models(photo, tmp_path, capsys):
    (tmp_path / "bad.keras").write_text("not a network")
    (tmp_path / "empty").mkdir()
    for name in ("bad.keras", "gone.keras", "empty", "gone"):
        error = failed(
            capsys, "colorize", photo, "-o", tmp_path / "out", "--model", tmp_path / name
        )
        assert str(tmp_path / name) in error
    assert not (tmp_path / "out").exists()


def test_bad_input_and_output(model, photo, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for sources, out, error in (
        (["empty"], "out", "empty: no photos found; looked for"),
        (["gone"], "out", "gone: no such file or folder"),
        ([""], "photo.png", "photo.png: is a file; give -o a folder"),
        (["photo.png"], "/proc/out", "/proc/out: cannot be written"),
        (["photo.png"], "photo.png/out", "photo.png/out: cannot be written"),
        (["photo.png"], "out.gif", "out.gif: no photo format"),
    ):
        given = [tmp_path / source for source in sources]
        line = failed(capsys, "colorize", *given, "-o", tmp_path / out, "--model", model)
        assert error in line
    line = failed(
        capsys, "colorize", photo, "-o", tmp_path / "out", "--model", model, "--quality", 0
    )
    assert "quality 0: choose one from 1 to 100" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "photo.png"]


@pytest.mark.parametrize(
    "arguments", [[], ["paint"], ["colorize", "a.png"], ["colorize", "-o", "b"]]
)
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2 and "usage: colornet" in capsys.readouterr().err


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["colorize", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    options = "-o --force --quality --model --vividness --hint --hints --variants"
    options += " --confidence --reference"
    assert all(option in text for option in options.split())


# What a network over distributions can be asked for


@pytest.fixture(scope="module")
def own(beginner, tmp_path_factory):
    """A tiny colornet in a file."""
    file = tmp_path_factory.mktemp("own") / "colornet.keras"
    beginner.save(file)
    return str(file)


def results(folder):
    return {file.name: np.asarray(Image.open(file)) for file in folder.iterdir()}


def test_variants_and_confidence_lie_beside_the_result(own, photo, tmp_path, capsys):
    command = ["colorize", photo, "--model", own, "--variants", 3, "--confidence"]
    assert main([*map(str, command), "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr() == (f"1 coloured into {tmp_path / 'out'}\n", "")
    found = results(tmp_path / "out")
    assert set(found) == {
        "photo.png", "photo-variant2.png", "photo-variant3.png", "photo-confidence.png"
    }  # fmt: skip
    sure = found.pop("photo-confidence.png")
    assert sure.ndim == 2 and sure.dtype == np.uint8
    shape = Image.open(photo).size[::-1]
    assert all(pixels.shape == (*shape, 3) for pixels in found.values())
    assert len({pixels.tobytes() for pixels in found.values()}) == 3
    # The first is the plain answer.
    plain = ["colorize", str(photo), "--model", own, "-o", str(tmp_path / "plain.tif")]
    assert main(plain) == 0
    alone = np.asarray(Image.open(tmp_path / "plain.tif")).astype(int)
    assert np.abs(found["photo.png"] - alone).max() <= 1


def test_hints_and_vividness_change_colours(own, photo, tmp_path):
    (tmp_path / "hints.txt").write_text("# the sky\n5,5,#3060ff\n\n70,40,#c03028\n")
    write_photo(tmp_path / "cat.jpg", Photo(samples.sample("chelsea")))
    asked = dict(
        plain=[],
        vivid=["--vividness", "1"],
        hints=["--hint", "5,5,#3060ff", "--hint", "70,40,#c03028"],
        reference=["--reference", str(tmp_path / "cat.jpg")],
        file=["--hints", str(tmp_path / "hints.txt")],
    )
    for name, options in asked.items():
        out = str(tmp_path / f"out/{name}.png")
        assert main(["colorize", str(photo), "--model", own, "-o", out, *options]) == 0
    found = results(tmp_path / "out")
    assert np.array_equal(found.pop("file.png"), found["hints.png"])
    assert len({pixels.tobytes() for pixels in found.values()}) == 4


def test_bad_hints(own, photo, tmp_path, capsys):
    (tmp_path / "bad.txt").write_text("1,2,#102030\n1,2,blue\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    width, height = Image.open(photo).size
    for options, error in (
        (["--hint", "1,2,blue"], "hint '1,2,blue': give it as x,y,#rrggbb"),
        (
            ["--hint", f"{width},0,#102030"],
            f"hint {width},0: lies outside the photo of {width}x{height}",
        ),
        (["--hint", f"0,{height},#102030"], "lies outside the photo"),
        (["--hints", tmp_path / "gone.txt"], f"{tmp_path / 'gone.txt'}: no hint file"),
        (["--hints", tmp_path / "bad.txt"], f"{tmp_path / 'bad.txt'}, line 2: hint '1,2,blue'"),
        (["--hints", tmp_path / "binary"], f"{tmp_path / 'binary'}: no hint file"),
        (["--hints", tmp_path], f"{tmp_path}: no hint file"),
        (["--reference", photo], f"{photo}: is grey; choose a photo in colour"),
        (["--reference", tmp_path / "gone.png"], f"{tmp_path / 'gone.png'}: no such file"),
        (["--variants", 21], "21 variants: choose a number from 1 to 20"),
    ):
        line = failed(capsys, "colorize", photo, "-o", tmp_path / "out", "--model", own, *options)
        assert error in line
    assert not list(tmp_path.glob("out/*"))


def test_hints_for_several_photos_are_refused(own, photo, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / f"photos/{name}.png").write_bytes(photo.read_bytes())
    asked = ["--model", own, "--hint", "1,2,#102030"]
    line = failed(capsys, "colorize", tmp_path / "photos", "-o", tmp_path / "out", *asked)
    assert f"{tmp_path / 'photos'}: hints are for one photo, here are 2" in line
    assert not (tmp_path / "out").exists()


def test_networks_that_give_one_answer_alone(model, photo, tmp_path, capsys):
    write_photo(tmp_path / "cat.jpg", Photo(samples.sample("chelsea")))
    for options, reason in (
        (["--vividness", 0.5], "gives one answer"),
        (["--variants", 2], "gives one answer"),
        (["--confidence"], "gives one answer"),
        (["--reference", tmp_path / "cat.jpg"], "gives one answer"),
        (["--hint", "1,2,#102030"], "takes no hints"),
    ):
        line = failed(capsys, "colorize", photo, "-o", tmp_path / "out", "--model", model, *options)
        assert f"encoder_decoder: {reason}" in line and "take colornet" in line
    assert not list(tmp_path.glob("out/*"))


def test_diverse_gives_its_components_as_variants(photo, tmp_path, capsys):
    asked = ["colorize", photo, "-o", tmp_path / "out", "--model", "diverse"]
    assert main([*map(str, asked), "--variants", "3"]) == 0
    capsys.readouterr()
    written = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in written] == [
        "photo-variant2.png",
        "photo-variant3.png",
        "photo.png",
    ]
    one, two, three = (read_photo(file).pixels.astype(int) for file in written)
    assert min(np.abs(one - two).mean(), np.abs(two - three).mean(), np.abs(one - three).mean()) > 1
    for options in (["--variants", 9], ["--vividness", 1], ["--confidence"]):
        line = failed(capsys, *asked, "--force", *options)
        assert "diverse: gives up to 8 answers: no vividness" in line


def test_they_say_so_in_one_line_for_a_folder_too(model, photo, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in "ab":
        (tmp_path / f"photos/{name}.png").write_bytes(photo.read_bytes())
    asked = ["--model", model, "--vividness", 1]
    line = failed(capsys, "colorize", tmp_path / "photos", "-o", tmp_path / "out", *asked)
    assert "encoder_decoder: gives" in line


@pytest.mark.parametrize(
    "options, error",
    [
        (["--vividness", "2"], "2 is not between 0 and 1"),
        (["--vividness", "-0.1"], "-0.1 is not between 0 and 1"),
        (["--vividness", "nan"], "nan is not between 0 and 1"),
        (["--variants", "0"], "0 is not a whole number above 0"),
    ],
)
def test_options_out_of_range(options, error, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["colorize", "a.png", "-o", "b.png", *options])
    assert stop.value.code == 2 and capsys.readouterr().err.splitlines()[-1].endswith(error)


def test_an_interrupted_folder_goes_on_where_it_was(tmp_path):
    grey = samples.sample("coffee")[..., 1]
    for i in range(24):
        write_photo(tmp_path / "photos" / f"{i:02d}.png", Photo(grey))
    command = [sys.executable, "-m", "colornet", "colorize", "photos", "-o", "out"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )
    while not [*tmp_path.glob("out/[0-9]*.png")]:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "the same command does what is left" in error
    done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert 0 < len(done) < 24 and not any(name.startswith(".tmp") for name in done)
    assert typed("colorize", "photos", "-o", "out", cwd=tmp_path).returncode == 0
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert len(after) == 24 and {name: after[name] for name in done} == done
