"""Quality of treatments with the engine alone, for machines that have numpy and the native library, but none of the
app's packages: `python -m tests.check_quality MODEL DATA OUT.jsonl [options]`.

Questions in order, all trials per question, each line written at once. Stops after --seconds; goes on where OUT ends.
"""

import argparse
import json
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from engine import bindings  # noqa: F401 - before numpy, see there
from engine.filler import FILLER
from engine.model import ALL_LAYERS, Context, ContextOptions, Model
from engine.prompt import frame_of
from engine.quality.comparison import Comparison, Order, Trial, case_of, cells_for, trials
from engine.quality.treatments import LONGEST_FILLER_TOKENS, TREATMENTS
from engine.self_check import graph_blendability, key_rotation, model_blendability
from engine.vocabulary import Vocabulary


def main() -> None:
    started, options = time.monotonic(), _parsed()
    wanted = list(_trials(options.treatments, options.ratios))
    entries = json.loads(options.data.read_text("utf-8"))
    done = _done(options.out)
    with Model(options.model, gpu_layers=options.gpu_layers) as model:
        frame = frame_of(model, Vocabulary(model))
        last = options.first + options.limit
        cases = [
            case_of(frame, entry["question"], entry["answers"], _texts(entry, options.passages), options.chunk_tokens)
            for entry in entries[options.first : last]
        ]
        text = options.filler.read_text("utf-8") if options.filler else FILLER
        filler = frame.vocabulary.tokens_of(text)
        frame = replace(frame, preamble=frame.preamble + filler[: options.preamble_filler])
        cells = cells_for(cases, len(frame.preamble), LONGEST_FILLER_TOKENS, options.batch)
        of_context = ContextOptions(cells, options.batch, num_threads=options.threads, kv_type=options.kv_type)
        with ExitStack() as stack:
            lines, context = stack.enter_context(options.out.open("a")), stack.enter_context(Context(model, of_context))
            reference = context
            if options.reference_kv not in ("", options.kv_type):
                reference = stack.enter_context(Context(model, replace(of_context, kv_type=options.reference_kv)))
            for verdict in (model_blendability(model), graph_blendability(context)):
                assert verdict.possible, verdict.reason
            context.key_rotation = key_rotation(context)
            order, with_answers = Order(options.order), not options.no_answers
            comparison = Comparison(
                context, frame, order=order, filler=filler, with_answers=with_answers, reference=reference
            )
            for number, case in enumerate(cases, options.first):
                todo = [trial for trial in wanted if (number, trial.treatment, trial.ratio) not in done]
                for measured in comparison.measured(number, case, todo):
                    lines.write(json.dumps(asdict(measured)) + "\n")
                    lines.flush()
                    if time.monotonic() - started > options.seconds:
                        print(f"out of time at question {number}")
                        return
                print(f"question {number}: {time.monotonic() - started:.0f} s", flush=True)


def _trials(treatments: str, ratios: str) -> Iterable[Trial]:
    """From names with commas between them; NAME@R1+R2 has ratios of its own."""
    for item in list(TREATMENTS) if treatments == "all" else treatments.split(","):
        name, _, own = item.partition("@")
        assert name in TREATMENTS, f"{name}: not one of {' '.join(TREATMENTS)}"
        yield from trials([name], [float(ratio) for ratio in (own.split("+") if own else ratios.split(","))])


def _texts(entry: dict[str, Any], number: int) -> list[str]:
    return [f"{passage['title']}\n\n{passage['text']}" for passage in entry["ctxs"][:number]]


def _done(path: Path) -> set[tuple[int, str, float]]:
    if not path.exists():
        return set()
    measured = map(json.loads, path.read_text("utf-8").splitlines())
    return {(each["question"], each["treatment"], each["ratio"]) for each in measured}


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "data", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--treatments", default="full,reuse,ours")
    parser.add_argument("--ratios", default="0.05,0.15")
    parser.add_argument("--filler", type=Path, help="text to encode chunks behind; else that of engine.filler")
    parser.add_argument("--preamble-filler", type=int, default=0, help="so many tokens of it in the prompt itself")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--passages", type=int, default=10)
    parser.add_argument("--chunk-tokens", type=int, default=512)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--gpu-layers", type=int, default=ALL_LAYERS)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--kv-type", default="f16")
    parser.add_argument("--reference-kv", default="", help="KV type of the full prefills, if it is another")
    parser.add_argument("--order", default="document")
    parser.add_argument("--no-answers", action="store_true")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
