"""What commands make of an index whose bytes make no sense: a message and an exit code, never a traceback."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.cli import app, exit_code_of
from app.index_blame import blamed_on_index
from storage.errors import StoreUnusable
from tests.app.program import Program
from tests.trust import hostile_index


@pytest.fixture
def damaged(steeped: Program, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index whose pages make no sense from the second on, and this process uses it."""
    monkeypatch.setenv("STEEP_HOME", str(steeped.home))
    path = steeped.home / "data" / "index.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    return path


@pytest.mark.usefixtures("damaged")
def test_an_error_that_nobody_expected_is_blamed_on_a_damaged_index(capsys: pytest.CaptureFixture[str]):
    def command() -> None:
        raise TypeError("a path is no number")

    assert isinstance(blamed_on_index(TypeError()), StoreUnusable)
    assert exit_code_of(command) == 1
    assert "Move the file away" in " ".join(capsys.readouterr().err.split())


def test_and_on_nothing_else(steeped: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def command() -> None:
        raise TypeError("a mistake of ours")

    for home in (steeped.home, tmp_path / "new"):
        monkeypatch.setenv("STEEP_HOME", str(home))
        assert blamed_on_index(TypeError()) is None
        with pytest.raises(TypeError, match="a mistake of ours"):
            exit_code_of(command)


def test_commands_end_with_an_exit_code_whatever_the_index_says(
    steeped: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("storage.check.time.sleep", lambda _: None)
    path = steeped.home / "data" / "index.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good, home = path.read_bytes(), tmp_path / "damaged"
    monkeypatch.setenv("STEEP_HOME", str(home))
    codes: list[int] = []
    for number in range(30):
        shutil.rmtree(home, ignore_errors=True)
        (home / "data").mkdir(parents=True)
        damaged = hostile_index.damaged(good, random.Random(number))
        (home / "data" / "index.sqlite3").write_bytes(damaged)
        for arguments in (["status"], ["folders"], ["doctor", "--repair"]):
            try:
                codes.append(exit_code_of(lambda arguments=arguments: app(arguments)))
            except SystemExit as done:
                codes.append(int(done.code or 0))
    assert set(codes) == {0, 1}
    assert "Traceback" not in capsys.readouterr().err


def test_an_index_of_a_newer_version_is_told_and_left_alone(steeped: Program):
    path = steeped.home / "data" / "index.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO _sqlite_migrations(migration_set, name) VALUES ('steep', 'm999_later')")
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    for command in (["index"], ["ask", "Who?"], ["status"], ["doctor", "--repair"], ["remove", "."]):
        message = steeped.complaint(*command, code=1)
        assert "was written by a newer version of steep (unknown: m999_later)" in message
    assert path.read_bytes() == before
