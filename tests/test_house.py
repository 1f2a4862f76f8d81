"""What the code keeps to, so that it can be read: short functions, few arguments, short files."""

import ast
from pathlib import Path

import pytest

LINES, ARGUMENTS, FILE = 80, 6, 350
PACKAGE = Path(__file__).parents[1] / "colornet"
FOLDERS = sorted(folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").is_file())
# Forms of FastAPI, whose hints it makes more of.
UNHINTED = [PACKAGE / "web"]
ROOMS = [PACKAGE, *(PACKAGE / name for name in FOLDERS)]
each = pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)


def files(room):
    """The Python files of a folder: those of the package itself without its folders'."""
    found = sorted(room.glob("*.py") if room == PACKAGE else room.rglob("*.py"))
    assert found
    return found


def functions(room):
    """Every function and method of a folder, with a line that says where it stands."""
    for file in files(room):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node, f"{file.relative_to(PACKAGE)}:{node.lineno} {node.name}"


@each
def test_functions_are_short(room):
    long = [where for one, where in functions(room) if one.end_lineno - one.lineno >= LINES]
    assert long == []


@each
def test_functions_have_few_arguments(room):
    def count(of):
        names = [one.arg for one in (*of.posonlyargs, *of.args, *of.kwonlyargs)]
        return len([name for name in names if name not in ("self", "cls")])

    many = [where for one, where in functions(room) if count(one.args) > ARGUMENTS]
    assert many == []


@each
def test_arguments_of_public_functions_have_hints_of_type(room):
    def public(body):
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from public(node.body)
            elif isinstance(node, ast.FunctionDef):
                if node.name == "__init__" or not node.name.startswith("_"):
                    yield node

    bare = []
    for file in files(room):
        if not {file, *file.parents}.isdisjoint(UNHINTED):
            continue
        for one in public(ast.parse(file.read_text(encoding="utf-8")).body):
            of = one.args
            given = [*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg]
            given = [arg for arg in given if arg and arg.arg not in ("self", "cls")]
            names = [arg.arg for arg in given if arg.annotation is None]
            bare += [f"{file.relative_to(PACKAGE)}:{one.lineno} {one.name} {names}"] * bool(names)
    assert bare == []


@each
def test_files_are_short(room):
    papers = PACKAGE / "models" / "literature"  # a paper is one file, however long
    lengths = {
        str(file.relative_to(PACKAGE)): len(file.read_text(encoding="utf-8").splitlines())
        for file in files(room)
        if papers not in file.parents
    }
    assert {name: count for name, count in lengths.items() if count > FILE} == {}
