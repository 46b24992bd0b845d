"""The gate as users meet it: `steep doctor --model`, and what status and answers say of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.gate.questions import GATE_VERSION
from storage.index import Index
from storage.values import BlendQuality, GateVerdict, QualityBar
from tests.app.conftest import write_documents
from tests.app.program import Program, interrupt, wait_until
from tests.tiny_model import write_tiny_model

BAR = QualityBar(0.10, 0.90)
BLENDS = GateVerdict(0.2, (BlendQuality(0.15, 0.14, 0.86, 8), BlendQuality(0.2, 0.08, 0.93, 8)), BAR, GATE_VERSION, 0)
EXACT_ONLY = GateVerdict(None, (BlendQuality(0.15, 0.4, 0.6, 3), BlendQuality(0.5, 0.31, 0.7, 4)), BAR, GATE_VERSION, 0)
QUESTION = "Who is the captain of the ferry?"


@contextmanager
def index_of(program: Program) -> Iterator[Index]:
    with Index(program.home / "data" / "index.sqlite3") as index:
        yield index


def put(program: Program, verdict: GateVerdict) -> None:
    """As if the program's model had been measured with that outcome."""
    with index_of(program) as index:
        index.put_gate_verdict(program.fingerprint(), "attention", verdict)


@pytest.fixture(scope="module")
def short_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its window has room for two of the questions."""
    return write_tiny_model(tmp_path_factory.mktemp("short") / "tiny.gguf", context_length=2608)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, short_model: Path) -> tuple[Program, dict]:
    """A program whose model was measured, and what that printed."""
    folder = tmp_path_factory.mktemp("measured")
    program = Program(folder / "home", short_model, folder)
    return program, program.json("doctor", "--model")


# --- measuring


def test_doctor_measures_the_model_and_status_says_what_came_out(measured: tuple[Program, dict]):
    program, report = measured
    assert report["model"] == "tiny.gguf"
    assert report["verdict"] == ("exact" if report["ratio"] is None else "blend")
    assert report["bar"] == {"kl": 0.1, "agreement": 0.9}
    assert report["questions"] == 2
    ratios = [each["ratio"] for each in report["tried"]]
    assert ratios == [0.05, 0.1, 0.15, 0.2, 0.3, 0.5][: len(ratios)]
    assert [each["reached"] for each in report["tried"][:-1]] == [False] * (len(ratios) - 1)
    status = program.json("status")["gate"]
    assert status["verdict"] == report["verdict"]
    assert status["ratio"] == ratios[-1]
    assert status["kl"] == report["tried"][-1]["kl"]


def test_for_people_it_prints_a_table_and_the_verdict(measured: tuple[Program, dict]):
    program, report = measured
    done = program.run("doctor", "--model", str(program.model), STEEP_RATIO="0.4")
    heading, *rows, empty, verdict = done.stdout.splitlines()
    assert heading.split() == ["ratio", "KL", "agreement", "questions", "reached"]
    assert len(rows) == len(report["tried"])
    assert {len(row.rstrip("yesno")) for row in rows} == {len(heading) - len("reached")}
    assert [row.split()[2:4] for row in rows] == [
        [f"{each[name]:.3f}".removeprefix("0") for name in ("kl", "agreement")] for each in report["tried"]
    ], "on which side of the bar"
    assert empty == ""
    assert verdict.startswith(("tiny.gguf blends at", "tiny.gguf exact only"))
    assert "you set ratio = 0.4" in done.stderr


def test_interrupted_it_leaves_what_was_there(steeped: Program):
    put(steeped, BLENDS)
    with steeped.started("doctor", "--model") as process:
        assert process.stderr
        while "Measuring" not in process.stderr.readline():
            pass
        _, complaints = interrupt(process)
    assert process.returncode == 130
    assert "Traceback" not in complaints
    assert steeped.json("status")["gate"]["kl"] == 0.08


def test_the_wrong_words_are_refused(program: Program):
    assert "goes with none of --repair" in program.complaint("doctor", "--model", "--repair", code=2)
    assert "a name belongs behind --model: steep doctor --model tiny" in program.complaint("doctor", "tiny", code=2)
    assert "there is no model 'nobody'" in program.complaint("doctor", "--model", "nobody", code=1)


# --- what is said of it


def test_before_it_was_measured_answers_name_the_command_and_begin_nothing(steeped: Program):
    answer = steeped.ask(QUESTION, STEEP_GATE="true")
    assert answer["mode"] == "blend"
    assert answer["gate"] == {
        "verdict": "unmeasured",
        "ratio": 0.15,
        "kl": None,
        "agreement": None,
        "overridden": False,
    }
    done = steeped.run("ask", QUESTION, "--max-answer-tokens", "4")
    assert "Gate         blended at 15 % (not measured; steep doctor --model)" in done.stdout
    assert "Gate       not measured; steep doctor --model" in steeped.run("status").stdout
    with index_of(steeped) as index:
        assert index.gate_verdict(steeped.fingerprint(), "attention") is None


def test_answers_are_blended_at_the_ratio_that_was_good_enough(steeped: Program):
    put(steeped, BLENDS)
    answer = steeped.ask(QUESTION)
    assert (answer["mode"], answer["notices"]) == ("blend", [])
    kv = answer["kv"]
    assert kv["recomputed_tokens"] == pytest.approx(0.2 * kv["context_tokens"], abs=1)
    assert answer["gate"] == {"verdict": "blend", "ratio": 0.2, "kl": 0.08, "agreement": 0.93, "overridden": False}
    line = "Gate       blends at 20 % (KL .08, agreement .93; bar .10, .90)"
    assert line in steeped.run("status").stdout


def test_where_no_ratio_was_good_enough_answers_are_exact_and_say_why(steeped: Program):
    put(steeped, EXACT_ONLY)
    answer = steeped.ask(QUESTION)
    assert answer["mode"] == "exact"
    (notice,) = answer["notices"]
    assert "--ratio 0.15 blends all the same, with KL .40, agreement .60." in notice
    assert answer["gate"] == {"verdict": "exact", "ratio": 0.5, "kl": 0.31, "agreement": 0.7, "overridden": False}
    assert "Gate       exact only (KL .31, agreement .70 at 50 %)" in steeped.run("status").stdout


def test_the_user_may_decide_otherwise_and_sees_what_it_costs(steeped: Program):
    put(steeped, EXACT_ONLY)
    answer = steeped.ask(QUESTION, "--ratio", "0.15")
    assert (answer["mode"], answer["notices"]) == ("blend", [])
    assert answer["gate"] == {"verdict": "exact", "ratio": 0.15, "kl": 0.4, "agreement": 0.6, "overridden": True}
    assert steeped.ask(QUESTION, "--mode", "blend")["gate"] == answer["gate"]
    line = "Gate       exact only (KL .31, agreement .70 at 50 %); you set ratio = 0.15 (KL .40, agreement .60)"
    assert line in steeped.run("status", STEEP_RATIO="0.15").stdout
    assert steeped.ask(QUESTION, "--ratio", "auto", STEEP_RATIO="0.15")["mode"] == "exact"


def test_what_another_version_has_measured_does_not_count(steeped: Program):
    put(steeped, GateVerdict(None, EXACT_ONLY.tried, BAR, GATE_VERSION - 1, 0))
    assert steeped.ask(QUESTION)["gate"]["verdict"] == "unmeasured"
    assert steeped.json("status")["gate"]["verdict"] == "unmeasured"


# --- in the background


def test_watch_measures_a_model_once_beside_everything_else(program: Program, short_model: Path):
    write_documents(program.folder)
    program = Program(program.home, short_model, program.folder)
    program.run("add", ".")
    with program.started("watch", STEEP_GATE="true") as process:
        wait_until(lambda: program.json("status")["gate"]["verdict"] != "unmeasured", process)
        wait_until(lambda: program.json("status")["steeped_chunks"] == 3, process)
        _, log = interrupt(process)
    assert "measured: tiny.gguf" in log
    with program.started("watch", "--json", STEEP_GATE="true") as process:
        assert process.stdout
        lines = [process.stdout.readline()]
        while '"SweepDone"' not in lines[-1]:
            lines.append(process.stdout.readline())
        rest, _ = interrupt(process)
    assert "GateUnderWay" not in "".join(lines) + rest
