"""The shape of the source: which room may use which, docstrings, sizes, words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

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
    "recall",
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


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


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


def test_imports_point_only_upwards():
    downwards = []
    for path in MODULES:
        room = room_of(path)
        allowed = ROOMS if room.startswith("__") else ROOMS[: ROOMS.index(room) + 1]
        used = rooms_used(ast.parse(path.read_text()))
        downwards += [
            f"{name_of(path)}:{line}: {other}"
            for line, other in used
            if other not in (*allowed, *PLAIN)
        ]
    assert downwards == []


def test_every_module_says_what_it_is_for():
    silent = [
        name_of(path)
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text()))
        or not path.read_text().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_no_module_is_long():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_no_module_uses_a_forbidden_word():
    found = [
        f"{name_of(path)}: {word}"
        for path in MODULES
        for word, pattern in FORBIDDEN.items()
        if pattern.search(path.read_text())
    ]
    assert found == []


def test_a_downward_import_would_be_found():
    tree = ast.parse("from emu.cli import main\nimport emu.gate.run\nfrom . import x")
    assert list(rooms_used(tree)) == [(1, "cli"), (2, "gate"), (3, "")]
