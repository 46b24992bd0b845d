"""`steep doctor`: what it says of a store in order, and of one that is not; and what repair leaves behind."""

import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import app, exit_code_of
from tests.app.program import Program

INDEX = Path("data/index.sqlite3")


@dataclass
class Visit:
    """What `steep doctor` said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


Doctor = Callable[..., Visit]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs the command for a home, in this process: it would pause before each second look."""
    monkeypatch.setattr("storage.check.time.sleep", lambda _: None)

    def visit(home: Path, *options: str) -> Visit:
        monkeypatch.setenv("STEEP_HOME", str(home))
        capsys.readouterr()
        try:
            code = exit_code_of(lambda: app(["doctor", *options]))
        except SystemExit as done:  # typer's way to say that a command came to its end
            code = int(done.code or 0)
        captured = capsys.readouterr()
        return Visit(code, captured.out, captured.err)

    return visit


def sql(home: Path, script: str) -> None:
    with closing(sqlite3.connect(home / INDEX)) as db:
        db.executescript(script)


def a_chunk_file(program: Program) -> Path:
    """Of the last chunk, for any place of a prompt."""
    with closing(sqlite3.connect(program.home / INDEX)) as db:
        sql = "SELECT digest FROM chunk_states WHERE fingerprint = ? ORDER BY chunk_id DESC"
        ((digest,), *_) = db.execute(sql, (program.fingerprint(),)).fetchall()
    return next(path for path in program.chunk_files() if path.stem == digest)


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def test_a_store_in_order_is_told_in_one_line(steeped_home: Program, doctor: Doctor):
    visit = doctor(steeped_home.home)
    assert visit.code == 0
    (line,) = visit.lines
    assert line.startswith("Everything is in order: 8 states (")
    assert " MB), 3 documents checked in " in line
    assert "--deep" in visit.err
    assert "--deep" not in doctor(steeped_home.home, "--deep").err
    assert doctor(steeped_home.home, "--quiet", "--repair").err == ""


def test_before_anything_was_added_everything_is_in_order(tmp_path: Path, doctor: Doctor):
    assert doctor(tmp_path).out.startswith("Everything is in order: 0 states (0.0 MB), 0 documents")


def test_a_damaged_state_is_found_by_reading_and_repaired_and_the_next_question_is_answered(
    steeped: Program, doctor: Doctor
):
    damaged = a_chunk_file(steeped)
    spoil(damaged)
    assert doctor(steeped.home, "--quick").code == 0

    found = steeped.run("doctor", "--deep", code=1)
    line, summary = found.stdout.splitlines()
    assert line.startswith(f"{damaged}: checksum is ")
    assert "Repair drops the state" in line
    assert summary.startswith("1 finding in ")
    assert "steep doctor --repair can repair 1 of 1." in found.stderr
    assert damaged.exists(), "asking repairs nothing"

    repaired = doctor(steeped.home, "--deep", "--repair")
    assert repaired.code == 0
    assert repaired.lines[0].endswith(" Repaired.")
    assert repaired.lines[1].startswith("1 finding, 1 repaired, in ")
    assert not damaged.exists()
    assert doctor(steeped.home, "--deep").code == 0

    assert steeped.ask("Who is the captain of the ferry to Grindlow, and what do the cats eat?")["sources"]
    assert damaged.exists(), "the question steeped it again"
    assert doctor(steeped.home, "--deep").code == 0


def test_json_lists_every_finding(steeped: Program, doctor: Doctor):
    assert doctor(steeped.home, "--deep", "--json").json | {"ms": 0, "state_bytes": 0} == {
        "in_order": True,
        "deep": True,
        "documents": 3,
        "states": 8,
        "state_bytes": 0,
        "findings": [],
        "ms": 0,
    }
    lost = a_chunk_file(steeped)
    lost.unlink()
    found = doctor(steeped.home, "--json")
    finding = {
        "kind": "missing_file",
        "subject": str(lost),
        "problem": "the index lists this state, but there is no file",
        "remedy": "Repair drops the state, which is computed again when it is needed",
        "can_be_repaired": True,
        "repaired": False,
    }
    assert found.code == 1
    assert (found.json["in_order"], found.json["states"], found.json["findings"]) == (False, 8, [finding])
    mended = doctor(steeped.home, "--repair", "--json")
    assert mended.code == 0
    assert (mended.json["in_order"], mended.json["states"]) == (True, 7)
    assert mended.json["findings"] == [finding | {"repaired": True}]


def test_what_repair_brings_out_is_repaired_as_well(steeped: Program, doctor: Doctor):
    sql(
        steeped.home,
        "DELETE FROM folders; UPDATE states SET created_at = 1, last_used_at = 1; UPDATE documents SET indexed_at = 1",
    )
    mended = doctor(steeped.home, "--repair", "--json").json
    assert [finding["kind"] for finding in mended["findings"]] == ["dangling_rows", "unused_states"]
    assert (mended["documents"], mended["states"], len(steeped.chunk_files())) == (0, 2, 2)


def test_a_damaged_index_is_not_repaired_and_the_way_out_is_told(steeped: Program, doctor: Doctor):
    sql(
        steeped.home,
        """PRAGMA writable_schema = ON;
        UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'folders')
        WHERE name = 'states_by_use';""",
    )
    files = steeped.chunk_files()
    files[0].unlink()
    visit = doctor(steeped.home, "--deep", "--repair", "--json")
    (finding,) = visit.json["findings"]
    assert (visit.code, visit.json["states"]) == (1, None)
    assert (finding["kind"], finding["can_be_repaired"], finding["repaired"]) == ("damaged_index", False, False)
    assert "add your folders again" in doctor(steeped.home).out
    assert steeped.chunk_files() == files[1:]


def test_many_findings_of_a_kind_are_cut_short_for_people(tmp_path: Path, doctor: Doctor):
    folder = tmp_path / "data" / "kv" / ("ab" * 16)
    for path in (folder.parent.parent, folder.parent, folder, folder / "00"):
        path.mkdir(mode=0o700)
    for number in range(25):
        (folder / "00" / f"{number}.kv").touch(mode=0o644)
    visit = doctor(tmp_path)
    assert visit.code == 1
    assert len(visit.lines) == 22
    assert visit.lines[-2] == "5 more like that (not private); --json lists them all."
    assert visit.lines[-1].startswith("25 findings in ")


def test_what_the_system_refuses_to_repair_is_told_with_its_reason(
    tmp_path: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
):
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    doctor(tmp_path)
    index = tmp_path / INDEX
    index.chmod(0o644)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "chmod", refuse)
        visit = doctor(tmp_path, "--repair")
    assert visit.code == 1
    assert f"{index} was not repaired: Operation not permitted" in visit.err
    assert visit.err.count("was not repaired") == 3, "tried once"
    assert "3 findings, 0 repaired, in " in visit.out, "the index, and its two files beside it"
    assert doctor(tmp_path, "--repair").code == 0
    assert stat.S_IMODE(index.stat().st_mode) == 0o600


def test_damage_that_only_reading_finds_is_not_forgotten_when_it_cannot_be_repaired(
    steeped: Program, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    spoil(a_chunk_file(steeped))
    steeped.chunk_files()[0].chmod(0o644)
    monkeypatch.setattr("storage.chunk_file.remove", refuse)
    visit = doctor(steeped.home, "--deep", "--repair", "--json")
    assert visit.code == 1
    assert {finding["kind"]: finding["repaired"] for finding in visit.json["findings"]} == {
        "not_private": True,
        "damaged_file": False,
    }
    assert "Read-only file system" in visit.err


def test_an_index_that_is_none_is_told_with_the_way_out(tmp_path: Path, doctor: Doctor):
    (tmp_path / "data").mkdir()
    (tmp_path / INDEX).write_text("Dear Ines, " * 100)
    visit = doctor(tmp_path)
    assert (visit.code, visit.out) == (1, "")
    assert "add your folders again" in visit.err
