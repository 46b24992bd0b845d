"""`steep bench retrieval`: how often a question's answer is among the first passages found, by way of searching.

The data is a JSON list of `{"question", "answers", "ctxs": [{"title", "text"}]}` (MuSiQue as CacheBlend's authors
prepared it). The passages of all questions become one corpus in an index of its own, which is removed afterwards:
nothing of the user's is touched. A question's right passages are those of its own that contain an answer, word by word
and without punctuation; questions without any are left out. Two numbers for each way and each n:

found    the share of questions with a right passage among the first n
share    of a question's right passages, those among the first n, of as many as could be there; the mean over questions

Intervals hold 95 of 100 bootstrap means over the questions. Ways answer the same questions, so they are compared by the
differences of their pairs, not by whether their intervals overlap.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from app.bench.question_file import full_text, read_question_file
from app.errors import WrongUse
from app.locations import Locations, find_locations
from app.models.choice import NO_EMBEDDING_MODEL, choose_embedding_model
from app.search.dense import DenseIndex, open_dense
from app.search.retrieval import NUM_SEARCHED, ranked
from app.settings import Settings, Value, load_settings
from app.terminal import Terminal
from app.wiring import Parts
from app.wording import counted
from storage.index import Index
from storage.search_words import words_of
from storage.store import StateStore
from storage.values import ChunkText, DocumentVersion, Hit

FIRST = (6, 10)
"""How many passages a context of 3,000 or 5,000 tokens holds."""

_NUM_RESAMPLES = 10_000

_Search = Callable[[str], list[Hit]]


@dataclass(frozen=True, slots=True)
class Case:
    """A question with its right passages."""

    question: str
    right: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over the questions, and the interval of its bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One way of searching; numbers by measure ("found 6"), one per question."""

    name: str
    numbers: Mapping[str, list[float]]
    search_ms: float
    """Median over the questions."""


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, data: Path, as_json: bool) -> None:
    """Measure and print a table."""
    from engine import bindings  # noqa: F401 - before numpy, see there

    cases, passages = read_cases(data)
    locations = find_locations()
    settings = load_settings(locations.config_file, flags)
    chosen = choose_embedding_model(settings.embedding_model, locations).path
    settings = replace(settings, embedding_model=str(chosen or NO_EMBEDDING_MODEL))
    with ExitStack() as stack:
        parts = _own_parts(Path(stack.enter_context(TemporaryDirectory(prefix="steep-bench-"))), settings, stack)
        _put(parts.index, passages)
        dense = stack.enter_context(open_dense(parts))
        if dense:
            _embed(dense, terminal)
        rows = _measure(cases, _ways(parts.index, dense), terminal)
    model_name = chosen.stem if chosen else None
    if as_json:
        terminal.json(_as_json(rows, len(cases), len(passages), model_name))
    else:
        _print(rows, len(cases), len(passages), model_name, terminal)


def read_cases(path: Path) -> tuple[list[Case], list[str]]:
    """The questions that have a right passage, and all distinct passages. Raises `WrongUse`."""
    cases, texts = read_question_file(path, _cases_and_texts)
    cases = [case for case in cases if case.right]
    if not cases:
        raise WrongUse(f"{path}: no question has a passage that contains an answer to it")
    return cases, texts


def _cases_and_texts(entries: Sequence[Mapping[str, Any]]) -> tuple[list[Case], list[str]]:
    texts = dict.fromkeys(full_text(passage) for entry in entries for passage in entry["ctxs"])
    return [Case(str(entry["question"]), _right_passages(entry)) for entry in entries], list(texts)


def _right_passages(entry: Mapping[str, Any]) -> frozenset[str]:
    texts = [full_text(passage) for passage in entry["ctxs"]]
    return frozenset(text for text in texts if any(contains(text, str(answer)) for answer in entry["answers"]))


def contains(text: str, answer: str) -> bool:
    """Whether the words of the answer stand in the text, in a row."""
    wanted = " ".join(words_of(answer.casefold()))
    return bool(wanted) and f" {wanted} " in f" {' '.join(words_of(text.casefold()))} "


# --- measuring


def _own_parts(root: Path, settings: Settings, stack: ExitStack) -> Parts:
    locations = Locations(root / "config", root / "data", root / "cache")
    index = stack.enter_context(Index(locations.index_file))
    return Parts(locations, settings, index, StateStore(locations.states_dir, index))


def _put(index: Index, passages: Sequence[str]) -> None:
    folder = index.add_folder(Path("/passages").absolute())
    for number, text in enumerate(passages):
        version = DocumentVersion(folder.path / f"p{number}", len(text), number, "bench", "")
        index.put_document(folder.id, version, [ChunkText(0, len(text), None, None, text, len(text.split()))])


def _embed(dense: DenseIndex, terminal: Terminal) -> None:
    with terminal.progress(f"Embedding with {dense.model_name}", "passages") as show:
        for step in dense.embed_missing():
            show(step.num_done, step.num_total)


def _ways(index: Index, dense: DenseIndex | None) -> dict[str, _Search]:
    def lexical(question: str) -> list[Hit]:
        return ranked(index, question, NUM_SEARCHED)

    if dense is None:
        return {"lexical": lexical}
    search = dense.search
    return {
        "lexical": lexical,
        "dense": lambda question: search(question, NUM_SEARCHED),
        "hybrid": lambda question: ranked(index, question, NUM_SEARCHED, dense=search),
    }


def _measure(cases: Sequence[Case], ways: Mapping[str, _Search], terminal: Terminal) -> list[Row]:
    rows: list[Row] = []
    with terminal.progress("Searching", "questions") as show:
        for number, (name, search) in enumerate(ways.items()):
            numbers: dict[str, list[float]] = {f"{measure} {n}": [] for measure in ("found", "share") for n in FIRST}
            times: list[float] = []
            for case in cases:
                started = perf_counter()
                hits = search(case.question)
                times.append((perf_counter() - started) * 1e3)
                for measure, value in measured(case, [hit.chunk.chunk.text for hit in hits]).items():
                    numbers[measure].append(value)
                show(number * len(cases) + len(times), len(ways) * len(cases))
            rows.append(Row(name, numbers, median(times)))
    return rows


def measured(case: Case, texts: Sequence[str]) -> dict[str, float]:
    """`found` and `share` of one question, for each n; `texts` best first."""
    numbers: dict[str, float] = {}
    for n in FIRST:
        num_right = len(case.right.intersection(texts[:n]))
        numbers[f"found {n}"] = float(num_right > 0)
        numbers[f"share {n}"] = num_right / min(n, len(case.right))
    return numbers


def bootstrapped(values: Sequence[float]) -> Mean:
    """The mean, and where 95 of 100 means over as many values drawn from these lie; the same for the same values."""
    import numpy as np

    numbers = np.array(values)
    drawn = np.random.default_rng(0).integers(0, len(numbers), (_NUM_RESAMPLES, len(numbers)))
    low, high = np.percentile(numbers[drawn].mean(axis=1), [2.5, 97.5])
    return Mean(float(numbers.mean()), float(low), float(high))


def _differences(rows: Sequence[Row]) -> dict[str, dict[str, Mean]]:
    """The last way minus each other, question by question."""
    last = rows[-1]
    return {
        f"{last.name} - {row.name}": {
            measure: bootstrapped([a - b for a, b in zip(values, row.numbers[measure], strict=True)])
            for measure, values in last.numbers.items()
        }
        for row in rows[:-1]
    }


def _means(rows: Sequence[Row]) -> dict[str, dict[str, Mean]]:
    return {row.name: {measure: bootstrapped(values) for measure, values in row.numbers.items()} for row in rows}


# --- showing


def _as_json(rows: Sequence[Row], num_questions: int, num_passages: int, model_name: str | None) -> dict[str, object]:
    times = {row.name: round(row.search_ms, 1) for row in rows}
    ways = [{"name": name, "search_ms": times[name], **_rounded(means)} for name, means in _means(rows).items()]
    differences = [{"name": name, **_rounded(means)} for name, means in _differences(rows).items()]
    return {
        "embedding_model": model_name,
        "questions": num_questions,
        "passages": num_passages,
        "ways": ways,
        "differences": differences,
    }


def _rounded(means: Mapping[str, Mean]) -> dict[str, dict[str, float]]:
    return {
        measure.replace(" ", "_"): {
            "mean": round(mean.value, 4),
            "low": round(mean.low, 4),
            "high": round(mean.high, 4),
        }
        for measure, mean in means.items()
    }


def _print(
    rows: Sequence[Row], num_questions: int, num_passages: int, model_name: str | None, terminal: Terminal
) -> None:
    terminal.data(
        f"{counted(num_questions, 'question')}, {counted(num_passages, 'passage')}, "
        + (f"vectors of {model_name}" if model_name else "no embedding model: search by words only")
    )
    means = _means(rows)
    measures = list(rows[0].numbers)
    width = max(map(len, (*means, *_differences(rows)))) + 2
    terminal.data(f"{'':{width}}" + "".join(f"{measure:>22}" for measure in measures) + f"{'per question':>16}")
    for row in rows:
        cells = "".join(f"{_cell(means[row.name][measure]):>22}" for measure in measures)
        terminal.data(f"{row.name:{width}}{cells}{row.search_ms:>13,.0f} ms")
    for name, differences in _differences(rows).items():
        cells = "".join(f"{_cell(differences[measure], '+'):>22}" for measure in measures)
        terminal.data(f"{name:{width}}{cells}", style="dim")
    terminal.data(
        "found n: questions with a right passage among the first n; share n: how many of their right passages are. "
        "In brackets: 95 of 100 bootstrap means.",
        style="dim",
    )


def _cell(mean: Mean, sign: str = "") -> str:
    return f"{mean.value:{sign}.3f} [{mean.low:{sign}.2f}, {mean.high:{sign}.2f}]"
