"""The documents are true: every module is on the map, every command is in the manual and has help."""

import re
import tomllib
from pathlib import Path

import typer.main

from app.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def module_map() -> set[str]:
    return set(re.findall(r"^\| `([a-z_/]+\.py)` \|", README, re.MULTILINE))


def test_the_map_names_every_module_and_no_other() -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "engine", "storage")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert module_map() == modules


def commands() -> dict[str, str | None]:
    """Every command of the command line with its help."""
    found: dict[str, str | None] = {}
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for sub_name, sub in getattr(command, "commands", {"": command}).items():
            found[f"{name} {sub_name}".strip()] = sub.help
    return found


def test_every_command_has_help_and_stands_in_the_readme() -> None:
    for name, text in commands().items():
        assert text, name
        assert f"steep {name}" in README, name


def test_the_changelog_tells_what_is_unreleased() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_native_library_is_pinned_to_the_version_the_bindings_know() -> None:
    from engine.bindings import LIBRARY_VERSION

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"llama-cpp-python=={LIBRARY_VERSION}" in project["dependencies"]
