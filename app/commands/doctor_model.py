"""`steep doctor --model`: how good are a model's blended answers? Measured now, and kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.errors import WrongUse
from app.gate.measuring import keep_verdict, measuring
from app.gate.words import figure, override_words, percent, verdict_words
from app.precedence import QuestionsFirst
from app.settings import Settings, Value
from app.terminal import Terminal
from app.wiring import Engine, Parts, open_engine, open_parts
from app.wording import duration
from engine.kv_size import QUANTISED
from storage.values import GateVerdict

if TYPE_CHECKING:
    from engine.requests import GateDone


def run(flags: Mapping[str, Value | None], terminal: Terminal, *, as_json: bool) -> None:
    """Measure the model that the settings choose; on Ctrl-C the verdict before stays."""
    with open_parts(flags, for_engine=True) as parts:
        with (
            open_engine(parts, terminal, context_tokens=parts.settings.chunk_tokens) as engine,
            QuestionsFirst(parts.locations, parts.settings, engine.runtime),
        ):
            blendability = engine.ready.blendability
            if not blendability.possible:
                raise WrongUse(
                    f"{engine.ready.model_name} cannot be blended because {blendability.reason}: all its answers are "
                    "exact, and there is nothing to measure"
                )
            done = _followed(engine, parts, terminal)
        verdict = keep_verdict(parts.index, engine, parts.settings, done)
    if as_json:
        terminal.json(_as_json(engine, parts.settings, verdict, done))
    else:
        _print(engine, parts.settings, verdict, done, terminal)


def _followed(engine: Engine, parts: Parts, terminal: Terminal) -> "GateDone":
    """Follow the measurement to its end. On Ctrl-C whoever opened the engine closes it, which stops it."""
    from engine.errors import Cancelled
    from engine.requests import GateDone, GateProgress

    with terminal.progress(f"Measuring {engine.ready.model_name}", "tokens") as show:
        for event in measuring(engine, parts.settings):
            match event:
                case GateProgress(num_done, num_total):
                    show(num_done, num_total)
                case GateDone():
                    return event
                case _:
                    pass
    raise Cancelled("measuring ended without a verdict")


def _print(engine: Engine, settings: Settings, verdict: GateVerdict, done: "GateDone", terminal: Terminal) -> None:
    terminal.data(f"{'ratio':>7}{'KL':>7}{'agreement':>12}{'questions':>12}  reached")
    for each in verdict.tried:
        asked, reached = f"{each.num_questions} of {done.num_questions}", "yes" if each.reaches(verdict.bar) else "no"
        figures = f"{percent(each.ratio):>7}{figure(each.kl, 3):>7}{figure(each.agreement, 3):>12}"
        terminal.data(f"{figures}{asked:>12}  {reached}")
    terminal.data("")
    terminal.data(f"{engine.ready.model_name} {verdict_words(verdict)}, measured in {duration(done.total_ms)}.")
    if any(each.num_questions < done.num_questions for each in verdict.tried):
        terminal.remark("A ratio is left as soon as perfect answers to all other questions could not save it.")
    if settings.kv_type in QUANTISED:
        terminal.remark("Held against exact answers over f16 rows; 100 %: everything is recomputed.")
    if override := override_words(settings, verdict):
        terminal.remark(f"Answers do not go by that: {override}.", style="yellow")


def _as_json(engine: Engine, settings: Settings, verdict: GateVerdict, done: "GateDone") -> dict[str, object]:
    return {
        "model": engine.ready.model_name,
        "fingerprint": engine.fingerprint,
        "kv_type": settings.kv_type,
        "strategy": settings.strategy,
        "verdict": "exact" if verdict.ratio is None else "blend",
        "ratio": verdict.ratio,
        "bar": {"kl": verdict.bar.max_kl, "agreement": verdict.bar.min_agreement},
        "questions": done.num_questions,
        "tried": [
            {
                "ratio": each.ratio,
                "kl": round(each.kl, 4),
                "agreement": round(each.agreement, 4),
                "questions": each.num_questions,
                "reached": each.reaches(verdict.bar),
            }
            for each in verdict.tried
        ],
        "version": verdict.version,
        "ms": round(done.total_ms, 1),
    }
