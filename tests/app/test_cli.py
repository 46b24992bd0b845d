"""Errors become one message and an exit code."""

import errno
from pathlib import Path

import pytest

from app.cli import app, exit_code_of
from app.errors import AlreadyRunning, NothingFits, SettingsInvalid
from engine.errors import Cancelled, ContextTooLarge, DecodeFailed, PromptTooLong
from storage.errors import FolderConflict, StoreUnusable, UnknownFolder


def raising(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AlreadyRunning("text"), 1),
        (StoreUnusable("text"), 1),
        (DecodeFailed("text"), 1),
        (SettingsInvalid("text"), 2),
        (NothingFits("text"), 2),
        (FolderConflict("text"), 2),
        (UnknownFolder("text"), 2),
        (ContextTooLarge("text"), 2),
        (PromptTooLong("text"), 2),
        (Cancelled("text"), 130),
    ],
)
def test_what_went_wrong_is_told_in_one_message(error: Exception, code: int, capsys: pytest.CaptureFixture[str]):
    assert exit_code_of(raising(error)) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "text\n")


def test_what_the_system_refuses_is_told_with_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path))
    assert exit_code_of(raising(error)) == 1
    assert capsys.readouterr().err == f"{tmp_path} cannot be used: No space left on device\n"


def test_ctrl_c_has_its_own_code(capsys: pytest.CaptureFixture[str]):
    assert exit_code_of(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == ""


def test_a_command_that_ends_is_a_success():
    assert exit_code_of(lambda: None) == 0


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(KeyError):
        exit_code_of(raising(KeyError("oops")))


@pytest.mark.parametrize(("arguments", "continues"), [([], False), (["--continue"], True), (["-c"], True)])
def test_without_a_command_the_app_opens_and_continues_when_asked_to(
    arguments: list[str], continues: bool, monkeypatch: pytest.MonkeyPatch
):
    opened: list[tuple[object, bool]] = []
    monkeypatch.setattr("app.commands.tui.run", lambda flags, *, continues: opened.append((flags, continues)))
    with pytest.raises(SystemExit, match="0"):
        app([*arguments, "--model", "m"])
    assert opened == [({"model": "m"}, continues)]


def test_continuing_belongs_to_the_app_and_to_no_command(capsys: pytest.CaptureFixture[str]):
    assert exit_code_of(lambda: app(["--continue", "status"])) == 2
    assert "steep --continue, or steep status" in capsys.readouterr().err


def test_the_help_tells_how_to_continue(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="0"):
        app(["--help"])
    assert "--continue" in capsys.readouterr().out
