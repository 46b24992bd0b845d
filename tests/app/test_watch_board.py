"""What the table of `steep watch` says."""

from pathlib import Path

from rich.console import Console

from app.commands.watch_board import Board
from app.gate.events import GateMeasured, GateTrouble, GateUnderWay
from app.indexer import FileSeen
from app.steeper import ChunkSteeped
from app.upkeep import Resting, Standing
from storage.values import Backlog, DocumentStage
from tests.app.gate.test_course import BLENDS

STAGES = dict.fromkeys(DocumentStage, 0) | {DocumentStage.SEARCHABLE: 2, DocumentStage.STEEPED: 5}


def shown(board: Board, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(board)
    return capture.get()


def test_documents_are_counted_by_stage():
    board = Board(2)
    assert "looking through the folders" in shown(board)
    board.note(Standing(STAGES | {DocumentStage.FOUND: 3, DocumentStage.UNREADABLE: 1}, Backlog(2, 100)))
    assert "7 searchable, 5 of them steeped, 3 waiting to be read, 1 unreadable" in shown(board)
    assert "2 folders" in shown(board)


def test_the_bar_counts_what_was_steeped_since_the_last_count_once():
    board = Board(1)
    board.note(Standing(STAGES, Backlog(4, 400)))
    board.note(ChunkSteeped(Path("a.md"), 100, was_encoded=True))
    assert " 25%" in shown(board)
    board.note(Standing(STAGES, Backlog(3, 300)))
    assert " 25%" in shown(board)
    assert "left" in shown(board)
    board.note(Standing(STAGES, Backlog(0, 0)))
    assert "all done" in shown(board)


def test_all_is_done_only_when_it_was_counted_and_nothing_is_being_read():
    board = Board(1)
    board.note(Standing(STAGES, Backlog(1, 100)))
    for _ in range(3):
        board.note(ChunkSteeped(Path("a.md"), 100, was_encoded=True))
    assert "all done" not in shown(board)
    board.note(FileSeen(Path("b.md"), 1, 2, was_read=True))
    board.note(Standing(STAGES, Backlog(0, 0)))
    assert "all done" not in shown(board)
    board.note(FileSeen(Path("c.md"), 2, 2, was_read=True))
    assert "all done" in shown(board)


def test_a_rest_says_why():
    board = Board(1)
    board.note(Standing(STAGES, Backlog(4, 400)))
    board.note(Resting("a question is being answered"))
    assert "rests: a question is being answered" in shown(board)
    board.note(Resting(None))
    assert "rests" not in shown(board)


def test_troubles_stay_and_cannot_write_to_the_terminal():
    board = Board(1)
    for number in range(7):
        board.note(FileSeen(Path(f"/bad{number}\x1b[2J.pdf"), 1, 1, was_read=True, error="is damaged"))
    text = shown(board)
    assert "bad0" not in text
    assert "bad6\ufffd[2J.pdf is damaged" in text
    assert "\x1b" not in text


def test_it_fits_into_a_narrow_terminal():
    board = Board(1)
    board.note(Standing(STAGES, Backlog(4, 400)))
    board.note(ChunkSteeped(Path("/a/" + "very/long/" * 10 + "path.md"), 100, was_encoded=True))
    assert all(len(line) <= 80 for line in shown(board, 80).splitlines())


def test_a_model_that_is_measured_tells_how_far_that_is_and_what_came_out():
    board = Board(1)
    assert "Model" not in shown(board)
    board.note(GateUnderWay(30, 120))
    assert "measuring how good blended answers are: 25%" in shown(board)
    board.note(GateMeasured("m.gguf", BLENDS))
    assert "m.gguf blends at 20 % (KL .08, agreement .93; bar .10, .90)" in shown(board)
    board.note(GateTrouble("The model was not measured: it refused"))
    assert "The model was not measured: it refused" in shown(board)
    assert "blends at" not in shown(board)
