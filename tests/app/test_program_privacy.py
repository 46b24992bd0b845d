"""Nobody else may read what is kept; what is purged is gone from the very bytes; nothing of documents is logged."""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gguf
import pytest

from tests.app.program import Program
from tests.app.tui.on_terminal import OnTerminal
from tests.tiny_model import write_tiny_model

WORD = "quixandria"
"""In one document only, and nowhere else on this machine."""

OTHER = "herringbone"
"""In a document that stays."""

QUESTION = "Who is the captain of the ferry?"


def write_documents(folder: Path) -> Path:
    """Two folders, of one document each."""
    texts = {
        "private": f"# The {WORD} ferry\n\nThe captain of the ferry to {WORD} is called {WORD} by her crew.\n",
        "public": f"# {OTHER}\n\nNo ferry goes to {OTHER} any more, says a captain who was there in his youth.\n",
    }
    for name, text in texts.items():
        path = folder / name / "ferry.md"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return folder


def use(program: Program) -> Program:
    """Documents added, read, embedded, steeped, asked; in the app as well, with a conversation that is kept."""
    models = program.home / "data" / "models"
    for folder in (program.home, models.parent, models):
        folder.mkdir(mode=0o700)
    write_tiny_model(models / "tiny-embed.gguf", pooling=gguf.PoolingType.MEAN).chmod(0o600)
    program.run("add", "private")
    program.run("add", "public")
    program.run("index")
    program.ask(QUESTION)
    with app_of(program) as terminal:
        terminal.wait_for("Ask your documents")
        terminal.press(QUESTION)
        terminal.wait_for(QUESTION)
        terminal.press("\r")
        terminal.wait_for("first token")
        terminal.press("\x11")
        assert terminal.wait() == 0
    return program


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Program:
    """Used, and then left alone."""
    folder = write_documents(tmp_path_factory.mktemp("prepared") / "documents")
    shutil.copytree(folder, folder.with_name("as they were"))
    return use(Program(folder.with_name("home"), tiny_model, folder))


@pytest.fixture
def used(prepared: Program, tmp_path: Path) -> Program:
    """In a home of one's own; the documents are where they were, and as they were."""
    shutil.rmtree(prepared.folder)
    shutil.copytree(prepared.folder.with_name("as they were"), prepared.folder)
    return Program(shutil.copytree(prepared.home, tmp_path / "home"), prepared.model, prepared.folder)


@contextmanager
def app_of(program: Program) -> Iterator[OnTerminal]:
    ours = {
        "STEEP_HOME": str(program.home),
        "STEEP_MODEL": str(program.model),
        "STEEP_THREADS": "1",
        "STEEP_GATE": "false",
        "STEEP_MAX_ANSWER_TOKENS": "12",
        "HOME": str(program.folder),
    }
    with OnTerminal([sys.executable, "-m", "app"], ours, program.folder) as terminal:
        yield terminal


def files_of(program: Program) -> list[Path]:
    return sorted(path for path in program.home.rglob("*") if path.is_file() and not path.is_relative_to("user"))


def with_word(program: Program, word: str) -> list[Path]:
    return [path for path in files_of(program) if word.encode() in path.read_bytes().lower()]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_all_that_is_kept_is_the_users_alone_whatever_the_umask(umask: int, tmp_path: Path, tiny_model: Path):
    before = os.umask(umask)
    try:
        program = use(Program(tmp_path / "home", tiny_model, write_documents(tmp_path / "documents")))
        assert {".sqlite3", ".kv", ".f16", ".log", ".lock"} <= {path.suffix for path in files_of(program)}
        assert open_to_others(program) == {}
        with program.started("watch") as watching:
            assert watching.stderr
            watching.stderr.readline()
            assert len(list((program.home / "data").glob("index.sqlite3-*"))) == 2
            assert open_to_others(program) == {}
    finally:
        os.umask(before)


def open_to_others(program: Program) -> dict[str, str]:
    modes = {path.relative_to(program.home): stat.S_IMODE(path.stat().st_mode) for path in program.home.rglob("*")}
    return {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077 and path.parts[0] != "user"}


def test_a_removed_folder_is_gone_from_the_bytes_of_every_file(used: Program):
    """But for the title, question and answer of a conversation, which are the user's own."""
    assert with_word(used, WORD)
    purged = ("doctor", "--purged", "private")
    assert "is watched" in used.run(*purged, code=1).stdout
    used.run("remove", "private")
    assert with_word(used, WORD) == []
    assert with_word(used, OTHER) != []
    done = used.run(*purged)
    assert "Nothing of" in done.stdout
    assert "1 answer of conversations came from it" in done.stderr
    proof = used.json(*purged)
    assert (proof["gone"], proof["turns_kept"], len(proof["looks"])) == (True, 1, 6)
    assert used.json("doctor", "--deep")["findings"] == []


def test_a_deleted_document_is_gone_from_the_bytes_of_every_file(used: Program):
    document = used.folder / "private" / "ferry.md"
    document.unlink()
    assert used.json("doctor", "--purged", str(document), code=1)["gone"] is False
    used.folder.joinpath("private", "left.md").write_text("Another document.")
    used.run("index")
    assert with_word(used, WORD) == []
    assert used.json("doctor", "--purged", str(document))["gone"] is True


def test_text_that_a_killed_removal_left_is_found_and_cleared_on_request(used: Program):
    from storage.index import Index

    with Index(used.home / "data" / "index.sqlite3") as index:
        index.remove_folder((used.folder / "private").resolve())
    proof = used.json("doctor", "--purged", "private", code=1)
    assert {look["place"].split()[0] for look in proof["looks"] if look["traces"]} >= {"search", "chunk", "vectors"}
    assert used.json("doctor", "--purged", "private", "--repair")["gone"] is True
    assert with_word(used, WORD) == []


def test_what_another_document_says_as_well_is_told(used: Program):
    text = (used.folder / "private" / "ferry.md").read_text()
    (used.folder / "public" / "copy.md").write_text(text)
    used.run("index")
    used.run("remove", "private")
    proof = used.json("doctor", "--purged", "private")
    assert proof["gone"] is True
    assert proof["also_in"] == [str((used.folder / "public" / "copy.md").resolve())]


def test_nothing_of_documents_is_logged(used: Program):
    """Nor shown by what is no answer: reading, steeping, checking, failing."""
    (used.folder / "private" / "broken.pdf").write_bytes(f"%PDF-1.4 {WORD}".encode())
    spoiled = used.chunk_files()[0]
    spoiled.write_bytes(spoiled.read_bytes()[:-1])
    shown = [used.run(*arguments, code=code) for arguments, code in (
        (("index",), 1), (("status",), 0), (("doctor", "--deep", "--repair"), 0), (("remove", "private"), 0),
    )]  # fmt: skip
    shown.append(used.run("ask", QUESTION, "--max-answer-tokens", "4"))
    assert [done.stderr for done in shown if WORD in done.stderr.lower()] == []
    logs = [path for path in files_of(used) if ".log" in path.name]
    assert logs
    assert [path for path in logs if WORD.encode() in path.read_bytes().lower()] == []


def test_links_out_of_a_folder_are_followed_only_if_told(tmp_path: Path, tiny_model: Path):
    folder = write_documents(tmp_path / "documents")
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "folder").symlink_to(folder / "private", target_is_directory=True)
    (watched / "file.md").symlink_to(folder / "public" / "ferry.md")
    program = Program(tmp_path / "home", tiny_model, watched)
    assert program.json("add", ".")["num_documents_found"] == 0
    assert "no documents" in program.run("index", code=1).stderr
    done = program.json("index", STEEP_FOLLOW_LINKS="true")
    assert (done["documents"], done["problems"], done["steeped_chunks"]) == (2, [], 2)
    assert {Path(each["path"]).name for each in program.ask(QUESTION)["sources"]} == {"ferry.md", "file.md"}
    assert program.json("index")["removed"] == 2
    assert with_word(program, WORD) == []
