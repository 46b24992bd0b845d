"""`steep watch` as users run it: in the foreground, beside other commands, until Ctrl-C."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from storage.index import Index
from tests.app.conftest import write_documents
from tests.app.program import WAIT_SECONDS, Program, interrupt, wait_until


@pytest.fixture
def installed(program: Program) -> Program:
    """The documents lie there and are watched; nothing was read yet."""
    write_documents(program.folder)
    program.run("add", ".")
    return program


def finds(program: Program, word: str) -> list[str]:
    with Index(program.home / "data" / "index.sqlite3") as index:
        return [hit.chunk.document_path.name for hit in index.search([word], 10)]


def wait_until_found(program: Program, word: str, process: subprocess.Popen[str]) -> None:
    wait_until(lambda: finds(program, word), process)


def test_without_a_folder_it_says_how_to_add_one(program: Program):
    assert "Add one: steep add FOLDER" in program.complaint("watch", code=1)


def test_off_a_terminal_it_logs_plain_lines_and_ends_with_ctrl_c(installed: Program):
    with installed.started("watch") as process:
        wait_until_found(installed, "captain", process)
        (installed.folder / "new.md").write_text("A goat came.")
        wait_until_found(installed, "goat", process)
        (installed.folder / "broken.txt").write_bytes(bytes(range(32)) * 100)
        (installed.folder / "last.txt").write_text("The walrus was last.")
        wait_until_found(installed, "walrus", process)
        out, log = interrupt(process)
    assert (out, process.returncode) == ("", 130)
    assert f"read {installed.folder.resolve() / 'new.md'}" in log
    assert "looked through 3 documents in" in log
    assert "broken.txt is not a text file" in log
    assert log.rstrip().endswith("Stopped. Everything that was done is kept.")
    assert "Traceback" not in log


def test_a_service_manager_can_stop_it(installed: Program):
    with installed.started("watch") as process:
        wait_until_found(installed, "captain", process)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in log


def test_as_json_it_prints_one_object_per_line(installed: Program):
    with installed.started("watch", "--json") as process:
        wait_until(lambda: installed.json("status")["steeped_chunks"] == 3, process)
        out, _ = interrupt(process)
    events = [json.loads(line) for line in out.splitlines()]
    read = {Path(event["path"]).name for event in events if event["event"] == "FileSeen"}
    assert read == {"ferry.md", "cats.txt", "piers.md"}
    assert 3 <= sum(event["event"] == "ChunkSteeped" for event in events) <= 6, (
        "and for the first place, as far as it came"
    )


def test_on_a_terminal_it_shows_a_table(installed: Program):
    code, screen = installed.on_terminal("watch", press=b"\x03", when=b"all done")
    assert code == 130
    assert "1 folder (Ctrl-C stops" in screen
    assert "3 searchable" in screen
    assert "Traceback" not in screen


def test_questions_are_answered_beside_it_and_other_commands_say_who_indexes(installed: Program):
    with installed.started("watch") as process:
        wait_until(lambda: installed.json("status")["steeped_chunks"] == 3, process)
        answer = installed.ask("Who is the captain of the ferry?")
        assert answer["kv"]["loaded_tokens"] > 0
        assert "another steep is indexing or watching already" in installed.complaint("index", code=1)
        interrupt(process)


def test_what_was_done_before_a_kill_is_not_done_again(installed: Program):
    with installed.started("watch") as process:
        wait_until(lambda: installed.json("status")["steeped_chunks"] == 3, process)
        process.kill()
    before = {path: path.stat().st_mtime_ns for path in installed.chunk_files()}
    with installed.started("watch", "--json") as process:
        (installed.folder / "new.md").write_text("A goat came.")
        wait_until(lambda: installed.json("status")["steeped_chunks"] == 4, process)
        out, _ = interrupt(process)
    read = [Path(event["path"]).name for line in out.splitlines() if (event := json.loads(line))["event"] == "FileSeen"]
    assert read == ["new.md"]
    assert {path: path.stat().st_mtime_ns for path in installed.chunk_files() if path in before} == before
