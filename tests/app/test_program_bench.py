"""`steep bench ttft` as users start it: what it measures, what it leaves alone, and what Ctrl-C leaves of it."""

import json
import re
from pathlib import Path

import pytest

from storage.index import Index
from tests.app.program import Program, interrupt

WAYS = ["full", "reuse", "cake", "blend 5%", "blend 10%", "blend 15%", "blend 20%", "auto"]
SWEPT = ["full", "reuse", "cake", "blend 15%", "auto"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """About 6,000 tokens of the tiny model, no two chunks of which are equal."""
    path = tmp_path / "data.json"
    texts = [" ".join(f"keeper {number} rows {number * number}" for number in range(i, i + 20)) for i in range(12)]
    passages = [{"title": f"Passage {i}", "text": text} for i, text in enumerate(texts)]
    path.write_text(json.dumps([{"question": "", "answers": [], "ctxs": passages}]))
    return path


def test_documents_are_measured_in_all_ways(steeped: Program):
    done = steeped.json("bench", "ttft", "--rounds", "2")
    assert (done["model"], done["rounds"], done["stopped"]) == ("tiny.gguf", 2, False)
    (cell,) = done["cells"]
    ways = {way["name"]: way for way in cell["ways"]}
    assert list(ways) == WAYS
    assert cell["chunks"] == 3
    assert ways["full"]["computed_tokens"] == cell["context_tokens"]
    assert ways["full"]["loaded_bytes"] == 0 < ways["reuse"]["loaded_bytes"] <= cell["state_bytes"]
    again = [ways[name]["recomputed_tokens"] for name in ("reuse", "blend 5%", "blend 10%", "blend 15%", "blend 20%")]
    assert again[0] == 0 < again[1] < again[2] < again[3] < again[4] < cell["context_tokens"]
    assert ways["full"]["speedup"] == 1
    assert all(len(way["rounds"]) == 2 and way["first_token_ms"] > 0 for way in ways.values())
    assert all((way["limit_ms"] is not None) == name.startswith("blend") for name, way in ways.items())
    assert done["memory"]["peak_bytes"] >= done["memory"]["before_bytes"] > 0
    assert "there is not enough text, and none is used twice" in done["remarks"][0]


def test_a_file_of_texts_is_measured_by_size_and_leaves_index_and_states_alone(steeped: Program, data: Path):
    files = steeped.chunk_files()
    done = steeped.json("bench", "ttft", "--rounds", "1", "--data", str(data), "--sizes", "700,1300,90000", "--cold")
    tokens = [cell["context_tokens"] for cell in done["cells"]]
    assert tokens[:2] == [700, 1300]
    assert 1300 < tokens[2] < 4096
    assert "tiny.gguf can hold" in done["remarks"][0]
    assert steeped.chunk_files() == files
    assert list((steeped.home / "data" / "kv").glob(".*")) == []
    with Index(steeped.home / "data" / "index.sqlite3") as index:
        assert index.counts().num_states == len(files)


def test_states_are_read_at_each_rate_and_not_faster(steeped: Program, data: Path):
    arguments = ("--rounds", "1", "--data", str(data), "--sizes", "1500", "--throttle", "0.02,0.2")
    done = steeped.json("bench", "ttft", *arguments)
    assert [cell["throttle_gbit_per_s"] for cell in done["cells"]] == [0.02, 0.2]
    for cell in done["cells"]:
        ways = {way["name"]: way for way in cell["ways"]}
        assert list(ways) == SWEPT
        at_least_ms = ways["reuse"]["loaded_bytes"] * 8 / cell["throttle_gbit_per_s"] / 1e6
        assert ways["reuse"]["first_token_ms"] >= 0.97 * at_least_ms
        assert cell["auto_over_best"] > 0
        assert cell["cake_over_best"] > 0


def test_retrieval_and_decoding_are_measured_on_request(steeped: Program):
    done = steeped.json("bench", "ttft", "--rounds", "1", "--sizes", "300", "--retrieval", "--decode")
    assert done["retrieval"]["chunks"] == 3
    assert done["retrieval"]["median_ms"] > 0
    assert done["decoding"]["ratio"] == pytest.approx(
        done["decoding"]["tokens_per_s"] / done["decoding"]["plain_tokens_per_s"], rel=0.01
    )
    alone = steeped.json("bench", "ttft", "--sizes", "", "--retrieval")
    assert (alone["cells"], alone["memory"], alone["retrieval"]["chunks"]) == ([], None, 3)


def test_a_table_and_a_plot_are_made(steeped: Program, tmp_path: Path):
    plot = tmp_path / "plot.svg"
    done = steeped.run("bench", "ttft", "--rounds", "1", "--svg", str(plot))
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert [name for name in WAYS if sum(line.startswith(f"{name} ") for line in lines) < 2] == []
    assert plot.read_text().startswith("<svg")


def test_ctrl_c_prints_what_was_measured_and_leaves_no_states(steeped: Program, data: Path):
    kv = steeped.home / "data" / "kv"
    arguments = ("--rounds", "1000", "--data", str(data), "--sizes", "400", "--json")
    with steeped.started("bench", "ttft", *arguments) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Measuring"):
                break
        assert list(kv.glob(".bench-*"))
        out, err = interrupt(process)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads(out)["stopped"]
    assert list(kv.glob(".bench-*")) == []


def test_what_cannot_be_measured_is_said(steeped: Program, tmp_path: Path):
    empty = Program(tmp_path / "empty", steeped.model, steeped.folder)
    assert "there are no documents to measure with" in empty.complaint("bench", "ttft", code=1)
    for arguments, message in (
        (("--sizes", "12,x"), "--sizes takes numbers above 0"),
        (("--throttle", "0"), "--throttle takes numbers above 0"),
        (("--sizes", "", "--decode"), "--decode decodes behind the smallest of --sizes"),
        (("--svg", str(tmp_path / "no" / "plot.svg")), "there is no folder"),
        (("--data", str(steeped.model)), "is not a JSON list of"),
    ):
        assert message in steeped.complaint("bench", "ttft", *arguments, code=2)
    missing = re.escape(str(tmp_path / "nothing.json"))
    assert re.search(missing, steeped.complaint("bench", "ttft", "--data", str(tmp_path / "nothing.json"), code=1))
