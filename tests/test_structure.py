"""The shape of the source: which room may use which, docstrings, sizes, words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import emu

SOURCE = Path(emu.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

# A room imports only itself and rooms before it.
ROOMS = (
    "errors",
    "is_suite",
    "config",
    "jsondata",
    "arrays",
    "fixedpoint",
    "ops",
    "graph",
    "targets",
    "frontends",
    "optimize",
    "calibrate",
    "quantize",
    "execute",
    "compare",
    "evaluate",
    "tune",
    "gate",
    "report",
    "export",
    "pytest_plugin",
    "cli",
)
PLAIN = ("__version__",)  # held by emu/__init__.py itself
LONGEST = 400
FORBIDDEN = {
    "pickle": re.compile(r"import pickle|from pickle|pickle\.|allow_pickle=True"),
    "eval(": re.compile(r"(?<![\w.])eval\("),
    "exec(": re.compile(r"(?<![\w.])exec\("),
    "print(": re.compile(r"(?<![\w.])print\("),
}

each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: str(p.relative_to(SOURCE))
)


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def rooms_used(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and room of each import from emu; relative imports have room ''."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, ""
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "emu" and len(parts) > 1:
                yield node.lineno, parts[1]


def test_every_room_has_its_place():
    rooms = {room_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert rooms <= set(ROOMS)


@each_module
def test_imports_point_only_upwards(path: Path):
    room = room_of(path)
    allowed = ROOMS if room.startswith("__") else ROOMS[: ROOMS.index(room) + 1]
    used = rooms_used(ast.parse(path.read_text()))
    assert [f"line {n}: {r}" for n, r in used if r not in (*allowed, *PLAIN)] == []


@each_module
def test_every_module_says_what_it_is_for(path: Path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text))
    assert text.startswith(('"""', 'r"""'))


@each_module
def test_no_module_is_long(path: Path):
    assert len(path.read_text().splitlines()) <= LONGEST


@each_module
def test_no_module_uses_a_forbidden_word(path: Path):
    text = path.read_text()
    assert [word for word, pattern in FORBIDDEN.items() if pattern.search(text)] == []


def test_a_downward_import_would_be_found():
    tree = ast.parse("from emu.cli import main\nimport emu.gate.run\nfrom . import x")
    assert list(rooms_used(tree)) == [(1, "cli"), (2, "gate"), (3, "")]
