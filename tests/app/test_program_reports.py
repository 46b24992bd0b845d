"""What the commands that report print: one JSON object each, or plain lines without escape codes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from app.cli import app
from tests.app.program import Program

ESCAPE = "\x1b"


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_parameters_has_help(name: str):
    command = COMMANDS[name]
    assert command.help
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reports_json(name: str):
    assert "json" in {parameter.name for parameter in COMMANDS[name].params}


def test_help_goes_to_stdout(program: Program):
    assert "Answer a question from your documents." in program.run("ask", "--help").stdout


def test_adding_and_removing_a_folder_reports_it(program: Program):
    folder = str(program.folder)
    assert program.json("add", ".") == {"path": folder, "num_documents_found": 0}
    assert program.json("remove", ".") == {"path": folder, "num_states_purged": 0}
    assert program.json("folders") == {"folders": []}


def test_folders_counts_the_documents(steeped_home: Program):
    assert steeped_home.json("folders") == {"folders": [{"path": str(steeped_home.folder), "num_documents": 3}]}
    assert steeped_home.run("folders").stdout.splitlines()[1].split() == ["3", str(steeped_home.folder)]


def test_status_counts_what_is_steeped(steeped_home: Program):
    status = steeped_home.json("status")
    assert 0 < status.pop("state_bytes") < status.pop("budget_bytes") <= 50_000_000_000
    assert status == {
        "model": str(steeped_home.model),
        "mode": "auto",
        "gate": {"verdict": "unmeasured", "ratio": 0.15, "kl": None, "agreement": None, "overridden": False},
        "folders": 1,
        "documents": 3,
        "stages": {"found": 0, "unreadable": 0, "searchable": 0, "steeped": 3},
        "chunks": 3,
        "steeped_chunks": 3,
        "states": 8,
        "problems": [],
        "retrieval": "lexical",
        "embedding_model": None,
        "embedded_chunks": 0,
    }


def test_index_reports_what_it_did_and_does_nothing_twice(steeped: Program):
    assert steeped.json("index") == {
        "documents": 3,
        "read": 0,
        "removed": 0,
        "problems": [],
        "chunks": 3,
        "steeped_chunks": 3,
        "steeped_now": {"chunks": 0, "tokens": 0, "ms": 0.0},
    }


def test_models_describes_each_file(steeped: Program):
    models = steeped.home / "data" / "models"
    models.mkdir()
    (models / "tiny.gguf").write_bytes(steeped.model.read_bytes())
    listed = next(model for model in steeped.json("models")["models"] if model["name"] == "tiny")
    memory = {name: listed.pop(name) for name in ("needed_bytes", "available_bytes", "total_bytes")}
    assert 0 < memory["needed_bytes"] < memory["available_bytes"] < memory["total_bytes"]
    assert listed == {
        "name": "tiny",
        "source": "steep",
        "path": str(models / "tiny.gguf"),
        "size_mb": 1,
        "architecture": "llama",
        "parameters": None,
        "quantisation": None,
        "context_length": 4096,
        "kv_bytes_per_token": 512,
        "embedding": False,
        "blendable": True,
        "reason": None,
        "fit": "fits",
    }


def test_paths_are_all_below_the_home(program: Program):
    paths = program.json("paths")
    assert set(paths) == {"config", "index", "states", "vectors", "models", "cache", "log"}
    assert all(path.startswith(str(program.home)) for path in paths.values())
    assert not program.home.exists(), "asking where things would be makes none of them"


def test_nothing_but_a_terminal_gets_escape_codes(steeped_home: Program):
    for environment in ({}, {"NO_COLOR": "1"}):
        done = steeped_home.run("ask", "captain", "--max-answer-tokens", "4", **environment)
        assert ESCAPE not in done.stdout + done.stderr
    refused = steeped_home.run("ask", "", code=2)
    assert ESCAPE not in refused.stderr


def test_no_color_takes_the_colours_from_a_terminal(steeped_home: Program):
    coloured = re.compile(rf"{ESCAPE}\[(?:\d+;)*(?:3[0-8]|9[0-7])[;m]")
    code, screen = steeped_home.on_terminal("ask", "Zwölf?", "--max-answer-tokens", "4")
    assert (code, bool(coloured.search(screen))) == (0, True)
    code, screen = steeped_home.on_terminal("ask", "Zwölf?", "--max-answer-tokens", "4", NO_COLOR="1")
    assert (code, bool(coloured.search(screen))) == (0, False)


def test_lines_fit_a_terminal_of_80_columns(steeped_home: Program):
    _, screen = steeped_home.on_terminal("ask", "captain harbour", "--max-answer-tokens", "4")
    escapes = rf"{ESCAPE}\[[0-9;?]*[a-zA-Z]|{ESCAPE}\]8;.*?{ESCAPE}\\"
    account = re.sub(escapes, "", screen[screen.index("Sources") :])
    assert max(len(line) for line in account.splitlines()) <= 80
