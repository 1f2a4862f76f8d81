"""Runs the benchmarks of speed, memory, films and exports, and writes README.md beside this file.

    python benchmarks/run.py [FILM ...]

Takes about a quarter of an hour; leave the machine alone meanwhile.
"""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from colornet.storage import atomic

HEAD = """# Benchmarks

By `make bench` (`python benchmarks/run.py`), on {machine}.

Times change from run to run, those under a second by a third. *Command*: a process of its own,
start-up included; *loaded*: without it. A film in black and white has no true colours but grey.
Beside these: `loader.py` (training) and `network.py` (beside SIGGRAPH17's shape), each with its
`--help`. How good the colours are: [results](../docs/results.md).
"""
TOOLS = "tensorflow keras ai-edge-litert onnxruntime fastapi opencv-python-headless pillow av numpy"
PARTS = (
    ("Photos of 1 to 100 megapixels, and folders", "colorize.py", []),
    ("Films", "video.py", sys.argv[1:]),
    ("The page under load", "page.py", []),
    ("Exports: colornet", "export.py", []),
    ("Exports: the paper's network", "export.py", ["--model", "encoder_decoder"]),
)


def machine():
    """Cores, memory, processor and versions, in one line."""
    try:
        names = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
        processor = names[0].split(":")[1].strip()
    except (OSError, IndexError):
        processor = platform.processor()
    tools = ", ".join(f"{tool} {version(tool)}" for tool in TOOLS.split())
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({processor}), {system}, {tools}"


def main():
    folder, text = Path(__file__).parent, HEAD.format(machine=machine())
    for title, script, arguments in PARTS:
        print(f"{title} ...", flush=True)
        command = [sys.executable, folder / script, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{script} failed:\n{done.stderr[-2000:]}")
        names = [Path(word).name for word in arguments]
        command = " ".join([f"python benchmarks/{script}", *names])
        text += f"\n## {title}\n\n`{command}`\n\n{done.stdout.strip()}\n"
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(folder / "README.md")


if __name__ == "__main__":
    main()
