"""Ctrl-C, and two processes at once: nothing is lost and nothing is done twice."""

from pathlib import Path

import pytest

from tests.app.program import Program, interrupt, wait_until

NUM_PARAGRAPHS = 80
"""About as many chunks, a second or two of steeping: enough to be in the middle of."""


@pytest.fixture
def busy(program: Program) -> Program:
    paragraphs = [f"Paragraph {number}: " + "the keeper rows. " * 26 for number in range(NUM_PARAGRAPHS)]
    (program.folder / "long.txt").write_text("\n\n".join(paragraphs))
    program.run("add", ".")
    return program


def num_chunk_files(program: Program) -> int:
    return len(program.chunk_files()) - 1  # the preamble


def test_an_interrupted_index_keeps_what_it_steeped_and_goes_on_from_there(busy: Program):
    with busy.started("index") as process:
        wait_until(lambda: num_chunk_files(busy) >= 3, process)
        out, err = interrupt(process)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert "Stopped: " in err
    assert "are steeped and stay so" in err
    kept = {path: path.stat().st_mtime_ns for path in busy.chunk_files()}
    done = busy.json("index")
    assert done["steeped_chunks"] == done["chunks"] > len(kept)
    assert done["steeped_now"]["chunks"] <= done["chunks"] - (len(kept) - 2)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_while_one_process_indexes_a_second_one_is_sent_away_and_a_question_is_answered(busy: Program):
    with busy.started("index", "--json") as process:
        wait_until(lambda: num_chunk_files(busy) >= 1, process)
        message = busy.complaint("index", code=1)
        assert "another steep is indexing or watching already" in message
        assert str(busy.home / "data" / "indexing.lock") in message
        assert busy.ask("keeper", "--no-steep")["sources"]
        out, _ = process.communicate()
    assert process.returncode == 0
    assert f'"steeped_chunks": {(num_chunk_files(busy) - 1) // 2}' in out


def test_ctrl_c_during_an_answer_ends_it_without_a_traceback(steeped: Program):
    long_answer = ("ask", "captain", "--max-answer-tokens", "3400")
    code, screen = steeped.on_terminal(*long_answer, press=b"\x03", when=b"Reading")
    assert code == 130
    assert "Traceback" not in screen
    assert "Sources" not in screen


def test_ctrl_c_while_an_answer_steeps_what_was_missing_keeps_the_answer(busy: Program):
    with busy.started("index") as process:
        wait_until(lambda: num_chunk_files(busy) >= 1, process)
        interrupt(process)
    for path in busy.chunk_files():
        Path(path).unlink()
    code, screen = busy.on_terminal(
        "ask", "keeper", "--max-answer-tokens", "4", "--context-tokens", "3500", press=b"\x03", when=b"Steeping"
    )
    assert (code, "Sources" in screen, "Traceback" in screen) == (130, True, False)
