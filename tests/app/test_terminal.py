import io
import json
import logging
import re

import pytest

from app.terminal import Link, Terminal, printable, show_warnings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tab\tand\nnewline, ü and 茶", "tab\tand\nnewline, ü and 茶"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("bell\x07 back\x08 return\r csi\x9b31m", "bell\ufffd back\ufffd return\ufffd csi\ufffd31m"),
        ("caf\udce9", "caf\ufffd"),
    ],
)
def test_nothing_reaches_a_terminal_that_it_would_obey(text: str, expected: str):
    assert printable(text) == expected


def test_a_document_cannot_write_markup_or_emoji_codes(capsys: pytest.CaptureFixture[str]):
    Terminal().data("[bold]a[/bold] :warning: \x1b[31mred")
    assert capsys.readouterr().out == "[bold]a[/bold] :warning: \ufffd[31mred\n"


LINK = Link(2, 6, "file://teahouse/a%20b.txt")


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Stdout counts as a terminal with colours."""
    for name in ("NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


def test_a_link_surrounds_its_words_and_nothing_else(colours: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    Terminal().data("1 name 20", links=[LINK])
    out = re.sub(r"id=\d+", "id=1", capsys.readouterr().out)
    assert out == "1 \x1b]8;id=1;file://teahouse/a%20b.txt\x1b\\name\x1b]8;;\x1b\\ 20\n"


def test_the_words_of_a_link_cannot_write_escape_codes(colours: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    Terminal().data("1 \x1b]8; 20", links=[LINK])
    assert "\\\ufffd]8;\x1b]8;;\x1b\\ 20" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("FORCE_COLOR", "")])
def test_without_a_terminal_with_colours_there_are_no_links(
    name: str, value: str, colours: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    colours.setenv(name, value)
    Terminal().data("1 name 20", links=[LINK])
    assert capsys.readouterr().out == "1 name 20\n"


@pytest.mark.parametrize("uri", ["file:///a b", "file:///\x1b", "file:///é", "file:///\n", ""])
def test_an_address_that_is_not_percent_encoded_is_refused(uri: str):
    with pytest.raises(ValueError, match="percent-encoded"):
        Link(0, 1, uri)


def test_an_answer_cannot_write_escape_codes(capsys: pytest.CaptureFixture[str]):
    Terminal().piece("a\x1b[31mb")
    assert capsys.readouterr().out == "a\ufffd[31mb"


def test_json_is_exact_and_survives_names_without_an_encoding(capsys: pytest.CaptureFixture[str]):
    value = {"answer": "\x1b[31m茶", "path": "caf\udce9"}
    Terminal().json(value)
    out = capsys.readouterr().out
    assert "茶" in out
    assert json.loads(out) == value


def test_long_lines_stay_whole_where_nobody_looks(capsys: pytest.CaptureFixture[str]):
    line = "word " * 100
    terminal = Terminal()
    terminal.data(line)
    terminal.remark(line)
    terminal.complaint(line)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{line}\n", f"{line}\n" * 2)
    assert terminal.width is None


def test_quiet_hides_progress_and_remarks_but_no_complaint(capsys: pytest.CaptureFixture[str]):
    terminal = Terminal(quiet=True)
    terminal.remark("remark")
    with terminal.progress("Reading", "tokens") as show:
        show(1, 2)
        show(2, None)
    terminal.complaint("complaint")
    assert capsys.readouterr().err == "complaint\n"


def test_without_a_terminal_progress_is_one_line(capsys: pytest.CaptureFixture[str]):
    with Terminal().progress("Reading", "tokens") as show:
        show(1, 2)
        show(2, 2)
    assert capsys.readouterr().err == "Reading …\n"


def test_warnings_go_to_the_stderr_of_the_moment(monkeypatch: pytest.MonkeyPatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    show_warnings()
    try:
        replaced = io.StringIO()
        monkeypatch.setattr("sys.stderr", replaced)
        logging.getLogger("storage.store").warning("Dropped %s", "\x1b a file")
        logging.getLogger("storage.store").info("not this")
    finally:
        root.setLevel(level)
    assert replaced.getvalue() == "warning: Dropped \ufffd a file\n"
