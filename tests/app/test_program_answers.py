"""`steep ask` over documents that were steeped before, in processes of its own."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from storage import chunk_file
from storage.index import Index
from storage.values import StateKey
from tests.app.conftest import DOCUMENTS
from tests.app.program import Program
from tests.tiny_model import write_tiny_model

QUESTION = "Who is the captain of the ferry and what is her cat called?"


def chunk_file_of(program: Program) -> Path:
    """The file of some chunk, not of the preamble."""
    for path in program.chunk_files():
        state = chunk_file.read(path, StateKey(path.parent.parent.name, path.stem))
        if state.start_position > 0:
            return path
    raise AssertionError("nothing is steeped")


def assert_tokens_add_up(answer: dict) -> None:
    for source in answer["sources"]:
        assert source["loaded"] + source["recomputed"] + source["computed"] == source["tokens"]
    kv = answer["kv"]
    assert kv["loaded_tokens"] + kv["recomputed_tokens"] + kv["computed_tokens"] == kv["context_tokens"]
    assert kv["context_tokens"] == sum(source["tokens"] for source in answer["sources"]) > 0


@pytest.fixture(scope="module")
def answer(steeped_home: Program) -> dict:
    return steeped_home.ask(QUESTION)


def test_the_json_of_an_answer_has_exactly_the_promised_keys(answer: dict):
    assert set(answer) == {"answer", "mode", "model", "sources", "kv", "timing", "answer_tokens", "notices", "gate"}
    assert set(answer["kv"]) == {
        "context_tokens",
        "loaded_tokens",
        "recomputed_tokens",
        "computed_tokens",
        "loaded_bytes",
    }
    assert set(answer["timing"]) == {
        "retrieve_ms",
        "load_ms",
        "score_ms",
        "recompute_ms",
        "ttft_ms",
        "total_ms",
        "tokens_per_s",
        "model_load_ms",
        "cold_ttft_ms",
    }
    keys = {"path", "page", "heading", "start", "end", "quote", "score", "attention", "tokens"}
    assert all(set(source) == keys | {"loaded", "recomputed", "computed"} for source in answer["sources"])
    assert (answer["mode"], answer["model"], answer["notices"]) == ("blend", "tiny.gguf", [])


def test_an_answer_after_indexing_computes_no_chunk(answer: dict):
    assert_tokens_add_up(answer)
    assert answer["kv"]["computed_tokens"] == 0
    assert answer["kv"]["recomputed_tokens"] > 0
    assert answer["kv"]["loaded_bytes"] > 0
    assert {Path(source["path"]).name for source in answer["sources"]} == {"ferry.md", "cats.txt", "piers.md"}


def test_an_exact_answer_computes_every_chunk_and_a_full_recompute_says_the_same(steeped: Program):
    answer = steeped.ask(QUESTION, "--mode", "exact")
    assert_tokens_add_up(answer)
    assert answer["answer"] == steeped.ask(QUESTION, "--ratio", "1")["answer"]
    assert answer["mode"] == "exact"
    assert answer["kv"]["computed_tokens"] == answer["kv"]["context_tokens"]
    scores = [source["score"] for source in answer["sources"]]
    assert scores == sorted(scores, reverse=True)


def test_only_a_chunk_without_file_is_computed_and_then_steeped_again(steeped: Program):
    with Index(steeped.home / "data" / "index.sqlite3") as index:
        cats, ferry = (
            index.states_of_document(steeped.folder / name, steeped.fingerprint()) for name in ("cats.txt", "ferry.md")
        )
    for path in steeped.chunk_files():
        if path.stem in {key.digest for key in (*cats, *ferry)}:
            path.unlink()
    answer = steeped.ask(QUESTION)
    assert_tokens_add_up(answer)
    computed = [source for source in answer["sources"] if source["computed"]]
    assert [source["computed"] for source in computed] == [source["tokens"] for source in computed]
    assert len(computed) in (1, 2), "the state for the first place is there"
    assert steeped.ask(QUESTION)["kv"]["computed_tokens"] == 0


def test_no_steep_leaves_a_missing_chunk_missing(steeped: Program):
    path = chunk_file_of(steeped)
    path.unlink()
    steeped.ask(QUESTION, "--no-steep")
    assert not path.exists()


def test_a_flipped_byte_is_noticed_and_mended_without_changing_the_answer(steeped: Program):
    # One chunk, right behind the preamble: there a computed chunk has the very rows of a loaded one.
    question = ("ask", "Biscuit sleeps?", "--max-answer-tokens", "24")
    undamaged = steeped.run(*question).stdout.splitlines()[0]
    good = {path: path.read_bytes() for path in steeped.chunk_files()}
    for place in (0.01, 0.5, 0.999):
        for path, data in good.items():
            at = int(len(data) * place)
            path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        done = steeped.run(*question)
        assert done.stdout.splitlines()[0] == undamaged
        mended = [path for path, data in good.items() if path.read_bytes() == data]
        assert len(mended) == 4, "the chunk and what it is encoded behind; nobody looked at the others"
        assert all(f"warning: Dropped the chunk state {path}: " in done.stderr for path in mended)


def test_a_sampled_answer_repeats_with_its_seed(steeped: Program):
    sampled = ("--temperature", "2", "--seed")
    first, again, other = (steeped.ask(QUESTION, *sampled, seed)["answer"] for seed in ("7", "7", "8"))
    assert first == again != other


def test_a_question_without_a_match_gets_the_beginnings_of_documents_and_a_notice(steeped: Program):
    answer = steeped.ask("Zwölf Boxkämpfer?")
    assert len(answer["sources"]) == 3
    assert "No passage matches" in answer["notices"][0]


def test_a_model_that_holds_less_than_the_settings_say_gets_fewer_documents_and_a_notice(
    steeped: Program, tmp_path: Path
):
    # So deep that 16 million tokens would need 262 GB: memory is for what the model can hold.
    model = write_tiny_model(tmp_path / "deep.gguf", num_layers=64)
    deep = {"STEEP_MODEL": str(model), "STEEP_KV_TYPE": "f32"}
    answer = steeped.ask(QUESTION, "--context-tokens", "16000000", "--no-steep", **deep)
    assert answer["kv"]["context_tokens"] > 0
    assert "can hold 4,096 tokens" in answer["notices"][0]


def test_the_answer_for_people_shows_sources_in_columns_and_the_times(steeped: Program):
    done = steeped.run("ask", QUESTION, "--max-answer-tokens", "24")
    answer, _, heading, *lines = (line for line in done.stdout.splitlines() if "“" not in line)
    assert len(answer) == 24
    assert heading.startswith("Sources ")
    assert heading.endswith("  loaded  recomputed  computed")
    sources, times = lines[:3], lines[4:]
    assert {len(line) for line in sources} == {len(heading)}
    assert any("harbour/piers.md, The harbour" in line for line in sources)
    assert [line.split("  ")[0] for line in times] == ["Context", "Gate", "First token", "Answer"]
    assert done.stderr == "Reading 3 passages …\n"


def test_on_a_terminal_the_names_of_sources_are_links_and_columns_stay(steeped: Program):
    code, screen = steeped.on_terminal("ask", QUESTION, "--max-answer-tokens", "4", "--quiet")
    assert code == 0
    links = re.findall(r"\x1b\]8;[^;]*;(file://[^\x1b]+)\x1b\\(.+?)\x1b\]8;;\x1b\\", screen)
    assert {Path(unquote(urlsplit(uri).path)) for uri, _ in links} == {steeped.folder / name for name in DOCUMENTS}
    assert any(words.startswith("harbour/piers.md, The harbour") for _, words in links)
    plain = re.sub(r"\x1b\][^\x1b]*\x1b\\|\x1b\[[0-9;]*m", "", screen).splitlines()
    lines = [line for line in plain if re.search(r"(loaded|–|\d)  +(recomputed|–|\d+)  +(computed|–|\d+)$", line)]
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 4


def test_without_colours_the_names_of_sources_are_plain(steeped: Program):
    code, screen = steeped.on_terminal("ask", QUESTION, "--max-answer-tokens", "4", "--quiet", NO_COLOR="1")
    assert code == 0
    assert "file://" not in screen
    assert "harbour/piers.md, The harbour" in screen


def test_quiet_leaves_stderr_empty(steeped: Program):
    assert steeped.run("ask", QUESTION, "--max-answer-tokens", "4", "--quiet").stderr == ""
