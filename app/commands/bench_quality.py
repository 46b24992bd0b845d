"""`steep bench quality`: how close blended answers come to full prefill, by treatment and by how much work it may do.

The data is a JSON list of `{"question", "answers", "ctxs": [{"title", "text"}]}` (MuSiQue as CacheBlend's authors
prepared it); nothing of the user's is touched, chunks are encoded in memory. In `engine.quality`, `comparison` says
what is measured, `treatments` what can be tried, `specimen` what counts as work.

With a file of results, every measurement is a line of JSON there as soon as it is made, behind a first line that says
what is measured; a run that was broken off goes on where that file ends. Intervals hold 95 of 100 bootstrap means over
the questions; treatments are compared by the differences of their pairs, not by whether their intervals overlap.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from app.bench.question_file import full_text, read_question_file
from app.commands.bench_retrieval import Mean, bootstrapped
from app.errors import WrongUse
from app.locations import find_locations
from app.models.choice import choose_model
from app.settings import Settings, Value, load_settings
from app.terminal import Terminal
from app.wording import counted
from engine.kv_size import exact_kv_type

if TYPE_CHECKING:
    from engine.prompt import PromptFrame
    from engine.quality.comparison import Comparison, Measurement, Trial
    from engine.quality.specimen import Case

DEFAULT_TREATMENTS = "full,reuse,epic,cacheblend-v,prophet,ours"
DEFAULT_RATIOS = "0.05,0.15"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to measure."""

    data: Path
    limit: int
    num_passages: int
    treatments: str
    """Names, comma separated; "all": every one."""
    ratios: str
    """Shares of a full prefill's work, comma separated."""
    order: str
    results: Path | None


@dataclass(frozen=True, slots=True)
class Row:
    """One treatment at one ratio, over all questions."""

    treatment: str
    ratio: float
    kl: Mean
    agreement: Mean
    f1: Mean
    f1_minus_full: Mean
    kl_minus_default: Mean | None
    """Differences to the default treatment at the same ratio; None for itself, or where that was not tried."""
    work: float
    recomputed: float
    recompute_ms: float
    full_ms: float


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, wish: Wish) -> None:
    """Measure and print a table."""
    from engine import bindings  # noqa: F401 - before numpy, see there

    locations = find_locations()
    settings = load_settings(locations.config_file, flags)
    entries = read_entries(wish.data)
    wanted = _trials(wish)
    model_path = choose_model(settings.model, locations)
    head = _head(wish, model_path, settings)
    with _opened(model_path, settings, entries, wish) as (comparison, cases), _Results(wish.results, head) as results:
        measured = results.among(len(cases), wanted)
        num_in_all = len(cases) * len(wanted)
        with terminal.progress("Measuring", "trials") as show:
            for number, case in enumerate(cases):
                for each in comparison.measured(number, case, results.missing(number, wanted)):
                    results.add(each)
                    measured.append(each)
                    show(len(measured), num_in_all)
    terminal.data(f"{model_path.stem}, {counted(len(cases), 'question')} of {wish.data.name}, order: {wish.order}\n")
    for line in table(rows_of(measured)):
        terminal.data(line)


# --- what to measure


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The questions with their passages. Raises `WrongUse`."""
    entries = read_question_file(path, _whole)
    if not entries:
        raise WrongUse(f"{path} has no questions")
    return entries


def _whole(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries themselves, once everything that is asked of them later was there."""
    for entry in entries:
        _ = str(entry["question"]), list(entry["answers"]), passages_of(entry)
    return entries


def passages_of(entry: Mapping[str, Any]) -> list[str]:
    """The texts of a question's passages, titles included."""
    return [full_text(passage, "\n\n") for passage in entry["ctxs"]]


def _trials(wish: Wish) -> "list[Trial]":
    from engine.quality.comparison import Order, trials
    from engine.quality.treatments import TREATMENTS

    if wish.order not in list(Order):
        raise WrongUse(f"there is no order {wish.order!r}; there are {', '.join(Order)}")

    names = list(TREATMENTS) if wish.treatments == "all" else wish.treatments.split(",")
    unknown = [name for name in names if name not in TREATMENTS]
    if unknown:
        raise WrongUse(f"there is no strategy {unknown[0]!r}; there are {', '.join(TREATMENTS)}")
    try:
        ratios = [float(ratio) for ratio in wish.ratios.split(",")]
    except ValueError as error:
        raise WrongUse(f"ratios are numbers with commas between them, got {wish.ratios!r}") from error
    if not all(0 <= ratio <= 1 for ratio in ratios):
        raise WrongUse(f"ratios are shares of a full prefill's work, 0 to 1, got {wish.ratios}")
    return trials(names, ratios)


@contextmanager
def _opened(
    model_path: Path, settings: Settings, entries: Sequence[Mapping[str, Any]], wish: Wish
) -> "Iterator[tuple[Comparison, list[Case]]]":
    """A context with room for the longest question, on this thread."""
    from engine.filler import FILLER
    from engine.model import Context, ContextOptions, Model
    from engine.prompt import frame_of
    from engine.quality.comparison import Comparison, Order, case_of, cells_for
    from engine.quality.treatments import LONGEST_FILLER_TOKENS
    from engine.self_check import graph_blendability, key_rotation, model_blendability
    from engine.vocabulary import Vocabulary

    with Model(model_path, gpu_layers=settings.gpu_layers) as model:
        frame: PromptFrame = frame_of(model, Vocabulary(model))
        cases = [
            case_of(
                frame,
                str(entry["question"]),
                map(str, entry["answers"]),
                passages_of(entry)[: wish.num_passages],
                settings.chunk_tokens,
            )
            for entry in entries[: wish.limit]
        ]
        filler = frame.vocabulary.tokens_of(FILLER)
        num_cells = cells_for(cases, len(frame.preamble), LONGEST_FILLER_TOKENS, settings.batch_tokens)
        options = ContextOptions(num_cells, settings.batch_tokens, settings.threads, settings.kv_type)
        verdict = model_blendability(model)
        if verdict.possible:
            with Context(model, options) as context, ExitStack() as stack:
                verdict = graph_blendability(context)
                if verdict.possible:
                    context.key_rotation = key_rotation(context)
                    reference, order = context, Order(wish.order)
                    if (of_full := exact_kv_type(options.kv_type)) != options.kv_type:
                        reference = stack.enter_context(Context(model, replace(options, kv_type=of_full)))
                    yield Comparison(context, frame, order=order, filler=filler, reference=reference), cases
                    return
        raise WrongUse(f"{model_path.stem} cannot be blended because {verdict.reason}: there is nothing to compare.")


def _head(wish: Wish, model_path: Path, settings: Settings) -> dict[str, object]:
    """What a file of results is about; another file is needed for anything else."""
    of_full = exact_kv_type(settings.kv_type)
    return {
        "data": wish.data.name,
        "passages": wish.num_passages,
        "chunk_tokens": settings.chunk_tokens,
        "order": wish.order,
        "model": model_path.name,
        "kv_type": settings.kv_type,
        **({} if of_full == settings.kv_type else {"full_kv_type": of_full}),
    }


class _Results:
    """The lines of a file of results, or of none."""

    def __init__(self, path: Path | None, head: Mapping[str, object]) -> None:
        self._done: list[Measurement] = _read_results(path, head) if path else []
        self._file = path.open("a", encoding="utf-8") if path else None
        if self._file and not self._file.tell():
            self._write(head)

    def __enter__(self) -> "_Results":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def among(self, num_questions: int, wanted: "Sequence[Trial]") -> "list[Measurement]":
        """What is there already of these trials of the first questions."""
        names = {(trial.treatment, trial.ratio) for trial in wanted}
        return [each for each in self._done if each.question < num_questions and (each.treatment, each.ratio) in names]

    def missing(self, number: int, wanted: "Iterable[Trial]") -> "list[Trial]":
        """The trials of a question that are not there yet."""
        done = {(each.treatment, each.ratio) for each in self._done if each.question == number}
        return [trial for trial in wanted if (trial.treatment, trial.ratio) not in done]

    def add(self, measurement: "Measurement") -> None:
        self._write(asdict(measurement))

    def _write(self, value: object) -> None:
        if self._file:
            self._file.write(json.dumps(value) + "\n")
            self._file.flush()


def _read_results(path: Path, head: Mapping[str, object]) -> "list[Measurement]":
    from engine.quality.comparison import Measurement

    if not path.exists() or not path.stat().st_size:
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):  # broken off while it was written
        path.write_text("".join(lines[:-1]), "utf-8")
        lines.pop()
    try:
        found, *values = (json.loads(line) for line in lines)
        done = [Measurement(**value) for value in values]
    except (ValueError, TypeError) as error:
        raise WrongUse(f"{path} does not hold results of this command: {error}. Name another file.") from error
    if found != head:
        raise WrongUse(f"{path} holds results of {found}, but asked for is {head}. Name another file.")
    return done


# --- showing


def rows_of(measured: "Sequence[Measurement]") -> list[Row]:
    """One row for each treatment and ratio, in the order in which they were tried first."""
    from engine.quality.treatments import DEFAULT

    by_trial: dict[tuple[str, float], dict[int, Measurement]] = {}
    for each in measured:
        by_trial.setdefault((each.treatment, each.ratio), {})[each.question] = each
    return [
        _row(list(of_trial.values()), by_trial.get((DEFAULT, ratio), {}) if treatment != DEFAULT else {})
        for (treatment, ratio), of_trial in by_trial.items()
    ]


def _row(measured: "Sequence[Measurement]", default: "Mapping[int, Measurement]") -> Row:
    pairs = [(each.kl, default[each.question].kl) for each in measured if each.question in default]
    return Row(
        treatment=measured[0].treatment,
        ratio=measured[0].ratio,
        kl=bootstrapped([each.kl for each in measured]),
        agreement=bootstrapped([each.agreement for each in measured]),
        f1=bootstrapped([each.f1 for each in measured]),
        f1_minus_full=bootstrapped([each.f1 - each.full_f1 for each in measured]),
        kl_minus_default=bootstrapped([a - b for a, b in pairs]) if pairs else None,
        work=fmean(each.work for each in measured),
        recomputed=fmean(each.recomputed for each in measured),
        recompute_ms=median(each.recompute_ms for each in measured),
        full_ms=median(each.full_ms for each in measured),
    )


_LEGEND = (
    "asked, work: share of its work that a strategy may do, and did, with all it measured; tokens: share that was "
    "recomputed. KL and top-1: against full prefill, over its answer's tokens. In brackets: 95 of 100 bootstrap means."
)


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as Markdown, and what the columns mean."""
    if not rows:
        return ["Nothing was measured."]
    head = ("strategy", "asked", "work", "tokens", "KL", "KL − ours", "top-1", "F1", "F1 − full", "recompute")
    lines = [head, ("---",) + ("---:",) * (len(head) - 1)]
    lines += [
        (
            row.treatment,
            f"{row.ratio:.0%}" if row.ratio else "–",
            f"{row.work:.1%}",
            f"{row.recomputed:.1%}",
            _cell(row.kl),
            _cell(row.kl_minus_default, "+") if row.kl_minus_default else "–",
            _cell(row.agreement),
            _cell(row.f1),
            _cell(row.f1_minus_full, "+"),
            f"{row.recompute_ms:,.0f} ms",
        )
        for row in rows
    ]
    full_ms = median(row.full_ms for row in rows)
    return [
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
        f"Full prefill: {full_ms:,.0f} ms. {_LEGEND}",
    ]


def _cell(mean: Mean, sign: str = "") -> str:
    return f"{mean.value:{sign}.3f} [{mean.low:{sign}.3f}, {mean.high:{sign}.3f}]"
