"""The arrows of the house: app → engine, storage; engine → storage.values; storage → nothing of ours."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "storage": ("storage",),
    "engine": ("engine", "storage.values"),
    "app": ("app", "engine", "storage"),
}
MAY_TOUCH_CTYPES = {"engine/bindings.py"}
MAY_TOUCH_SQL = {f"storage/{name}.py" for name in ("index", "conversation_index", "gate_index", "migrations")}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: use absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_each_folder_imports_only_what_it_may() -> None:
    for folder, prefixes in MAY_IMPORT.items():
        for path in modules(folder):
            for name in imported(path):
                if name.split(".")[0] in MAY_IMPORT:
                    assert any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes), f"{path}: {name}"


def importers_of(*libraries: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for folder in MAY_IMPORT
        for path in modules(folder)
        for name in imported(path)
        if name.split(".")[0] in libraries
    }


def test_only_the_bindings_touch_ctypes_and_the_native_library() -> None:
    assert importers_of("ctypes", "llama_cpp") == MAY_TOUCH_CTYPES


def test_only_the_index_and_its_migrations_touch_sql() -> None:
    assert importers_of("sqlite3", "sqlite_utils") == MAY_TOUCH_SQL


def test_packages_have_empty_faces() -> None:
    for folder in MAY_IMPORT:
        for path in (ROOT / folder).rglob("__init__.py"):
            assert path.read_text("utf-8") == "", path


def test_every_module_says_what_it_is_for() -> None:
    for folder in MAY_IMPORT:
        for path in modules(folder):
            if path.name != "__init__.py":
                assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
