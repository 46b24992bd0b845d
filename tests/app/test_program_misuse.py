"""Whatever goes wrong outside ends with one message that helps, the right exit code, and nothing lost."""

import os
from pathlib import Path

import pytest

from app.cli import app, exit_code_of
from tests.app.conftest import write_documents
from tests.app.program import Program, without_privileges
from tests.tiny_model import write_tiny_model


def test_without_any_model_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("STEEP_HOME", str(tmp_path / "home"))
    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "LLAMA_CACHE", "OLLAMA_MODELS"):
        monkeypatch.setenv(name, str(tmp_path / "user"))
    monkeypatch.setattr("app.models.starter.find_spec", lambda name: None)
    write_documents(tmp_path / "documents")
    with pytest.raises(SystemExit, match="0"):
        exit_code_of(lambda: app(["add", str(tmp_path / "documents")]))
    for command in (["index"], ["models"]):
        assert exit_code_of(lambda arguments=command: app(arguments)) == 1
        message = capsys.readouterr().err
        assert "there is no model yet" in message
        assert "pip install 'steep[starter]'" in message
        assert str(tmp_path / "home" / "data" / "models") in message


def test_a_file_that_is_no_model_is_named(steeped: Program, tmp_path: Path):
    path = tmp_path / "letter.gguf"
    path.write_text("Dear Ines,")
    message = steeped.complaint("index", "--model", str(path), code=1)
    assert message == f"{path} is not a GGUF model: it begins with b'Dear', expected b'GGUF'. Give a .gguf file."


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_a_model_that_is_cut_off_is_named(steeped: Program, tmp_path: Path, share: float):
    path, data = tmp_path / "half.gguf", steeped.model.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    message = steeped.complaint("ask", "Who?", "--model", str(path), code=1)
    assert message.startswith(f"{path} is cut off: it has {path.stat().st_size} bytes")


def test_a_model_that_is_not_there_is_named_with_those_that_are(steeped: Program):
    models = steeped.home / "data" / "models"
    models.mkdir()
    write_tiny_model(models / "small.gguf")
    message = steeped.complaint("ask", "Who?", "--model", "large", code=1)
    assert "there is no model 'large'" in message
    assert "small" in message


def test_a_damaged_model_is_listed_as_unusable(steeped: Program):
    models = steeped.home / "data" / "models"
    models.mkdir()
    (models / "broken.gguf").write_bytes(b"GGUF\x03")
    assert "unusable: " in steeped.run("models").stdout


def test_before_anything_was_added_the_next_step_is_told(program: Program):
    assert "steep add FOLDER" in program.complaint("index", code=1)
    assert "steep add FOLDER" in program.complaint("ask", "Who?", code=1)


def test_an_empty_folder_is_told_apart_from_a_read_one(program: Program):
    assert "nothing to read" in program.run("add", ".").stderr
    assert "no documents in the watched folders" in program.complaint("index", code=1)


def test_what_is_no_folder_cannot_be_added(program: Program):
    (program.folder / "a.txt").write_text("text")
    assert program.complaint("add", "nowhere", code=2).startswith("nowhere does not exist; give a folder")
    assert program.complaint("add", "a.txt", code=2).startswith("a.txt is a file; give a folder")


def test_folders_may_not_overlap(program: Program):
    (program.folder / "watched" / "inside").mkdir(parents=True)
    program.run("add", "watched")
    watched = program.folder / "watched"
    assert program.complaint("add", "watched/inside", code=2).endswith(f"through {watched}, which contains it.")
    assert f"contains what is already watched: {watched}." in program.complaint("add", ".", code=2)
    assert program.complaint("add", "watched", code=2) == f"{watched} is already watched."
    assert program.json("folders")["folders"] == [{"path": str(watched), "num_documents": 0}]


def test_an_unknown_folder_cannot_be_removed(steeped: Program):
    message = steeped.complaint("remove", "elsewhere", code=2)
    assert "elsewhere is not a watched folder; these are: " in message
    assert str(steeped.folder) in message
    assert steeped.json("status")["documents"] == 3


def test_a_removed_folder_leaves_no_state_of_its_documents(steeped: Program):
    before = len(steeped.chunk_files())
    assert steeped.json("remove", ".")["num_states_purged"] == before - 2
    assert len(steeped.chunk_files()) == 2, "what chunks are encoded behind stays"


def test_documents_that_cannot_be_read_are_listed_and_the_others_are_read(program: Program):
    write_documents(program.folder)
    (program.folder / "noise.txt").write_bytes(bytes(range(256)) * 20)
    locked = program.folder / "locked.txt"
    locked.write_text("The safe opens at noon.")
    locked.chmod(0)
    program.run("add", ".")
    done = program.run("index", code=1, before=without_privileges)
    assert "5 documents (" in done.stdout
    assert "3 chunks, 3 of them steeped." in done.stdout
    assert "noise.txt is not a text file" in done.stderr
    assert "locked.txt may not be read: permission denied" in done.stderr
    reasons = {Path(each["path"]).name: each["reason"] for each in program.json("status")["problems"]}
    assert set(reasons) == {"noise.txt", "locked.txt"}
    locked.chmod(0o600)
    assert program.json("index", code=1)["read"] == 1, "the key of a locked file changes no date"


def test_a_home_that_cannot_be_written_is_named(program: Program):
    program.home.mkdir(mode=0o500)
    message = program.complaint("add", ".", code=1, before=without_privileges)
    assert str(program.home / "data") in message
    assert "Permission denied" in message


def test_a_question_longer_than_the_model_holds_is_refused(steeped: Program):
    message = steeped.complaint("ask", "keeper " * 1000, code=2)
    assert "leave no room for documents in the 4,096 tokens that tiny.gguf can hold" in message
    assert "Ask a shorter question" in message


def test_a_context_without_room_for_one_chunk_is_refused(steeped: Program):
    message = steeped.complaint("ask", "Who is the captain?", "--context-tokens", "64", code=2)
    assert "no passage fits into the 64 tokens" in message
    assert "Raise context_tokens" in message


def test_a_context_larger_than_the_memory_is_refused(steeped: Program, tmp_path: Path):
    model = write_tiny_model(tmp_path / "deep.gguf", context_length=1 << 24, num_layers=256)
    tokens = ("--context-tokens", "16000000")
    message = steeped.complaint("ask", "Who?", *tokens, code=2, STEEP_MODEL=str(model), STEEP_KV_TYPE="f32")
    assert "GiB for its KV cache, but only" in message
    assert "Lower context_tokens" in message


def test_an_empty_question_is_refused(steeped: Program):
    assert steeped.complaint("ask", " \n", code=2) == "the question is empty"


def test_what_cannot_be_parsed_is_wrong_use(program: Program):
    assert "No such command 'frobnicate'" in program.complaint("frobnicate", code=2)
    assert "No such option: --nope" in program.complaint("index", "--nope", code=2)
    assert "Missing argument" in program.complaint("ask", code=2)
    assert "Invalid value for '--ratio'" in program.complaint("ask", "Who?", "--ratio", "much", code=2)


def test_a_setting_out_of_its_range_is_wrong_use(steeped: Program):
    message = steeped.complaint("ask", "Who?", "--ratio", "2", code=2)
    assert message == "ratio must lie between 0 and 1; got 2.0"


def test_an_unknown_setting_is_named_with_its_place(program: Program):
    message = program.complaint("status", code=2, STEEP_RATIOO="1")
    assert message == "unknown setting 'ratioo' (environment variable STEEP_RATIOO); did you mean 'ratio'?"
    config = program.home / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("ration = 1")
    assert program.complaint("status", code=2) == f"unknown setting 'ration' ({config}); did you mean 'ratio'?"


def test_a_damaged_index_is_named_and_left_alone(steeped: Program):
    path = steeped.home / "data" / "index.sqlite3"
    path.write_bytes(b"no database" * 1000)
    for command in (["index"], ["ask", "Who?"], ["status"]):
        message = steeped.complaint(*command, code=1)
        assert str(path) in message
        assert "Move the file away" in message
    assert path.read_bytes() == b"no database" * 1000
    path.unlink()
    steeped.run("add", ".")
    done = steeped.json("index")
    assert (done["steeped_chunks"], done["steeped_now"]["tokens"]) == (3, 0), "the states were found again"


def test_documents_cut_for_another_model_are_answered_from_without_failing(steeped: Program, tmp_path: Path):
    model = write_tiny_model(tmp_path / "short.gguf", context_length=640)
    answer = steeped.ask("Who is the captain of the ferry?", STEEP_MODEL=str(model))
    assert len(answer["sources"]) == 1
    assert "can hold 640 tokens" in answer["notices"][0]


def test_a_folder_that_vanished_keeps_its_documents(program: Program):
    folder = write_documents(program.folder / "drive")
    program.run("add", "drive")
    program.run("index")
    folder.rename(program.folder / "unplugged")
    done = program.run("index", code=1)
    assert "drive could not be looked at: No such file or directory" in done.stderr
    assert program.json("status")["steeped_chunks"] == 3


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_folder_whose_name_is_no_text_can_be_watched(program: Program):
    folder = program.folder / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "a.txt").write_text("text")
    assert os.fsencode(program.json("add", str(folder))["path"]) == os.fsencode(folder)
    assert "caf\ufffd" in program.run("folders").stdout


def test_stdout_that_knows_only_ascii_gets_escapes_and_json_stays_json(program: Program):
    (program.folder / "Übung").mkdir()
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    assert program.json("add", "Übung", **ascii_only)["path"].endswith("Übung")
    assert "\\xdcbung" in program.run("folders", **ascii_only).stdout
