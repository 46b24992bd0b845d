"""How fast answers go on after their first token, against a plain llama.cpp context of the same length.

The plain one is made from the same file with the same options, without the callback that blending needs; it has the
same prompt, computed, and samples in the same way. Both take turns. What ours does besides is in its figure: watching
the graph, turning tokens into text, handing it to another thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from app.bench.contexts import BenchContext
from app.bench.measuring import answered, request_of
from app.bench.ways import REUSE
from app.settings import Settings
from app.terminal import Terminal
from app.wiring import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

NUM_TOKENS = 64
"""Decoded per round behind the first one."""

QUESTION = "Retell all of these documents in full, in your own words, from the first to the last, in long sentences."


@dataclass(frozen=True, slots=True)
class Decoding:
    """Tokens per second, one figure per round; the two lists are as long, and empty where nothing was measured."""

    num_context_tokens: int
    ours: tuple[float, ...]
    plain: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Ours over plain."""
        return median(self.ours) / median(self.plain)


def decoding_speeds(
    engine: Engine, settings: Settings, context: BenchContext, num_rounds: int, terminal: Terminal
) -> Decoding:
    """Measure."""
    ours: list[float] = []
    plain: list[float] = []
    request = request_of(REUSE, QUESTION, context, max_answer_tokens=NUM_TOKENS + 1)
    with (
        terminal.progress("Decoding", "rounds") as show,
        _plain_context(engine, settings, context) as plain_tokens_per_s,
    ):
        for number in range(num_rounds):
            speed = answered(engine, request).times.tokens_per_s
            if speed:  # an answer of one token has none
                ours.append(speed)
                plain.append(plain_tokens_per_s())
            show(number + 1, num_rounds)
    return Decoding(context.num_tokens, tuple(ours), tuple(plain))


@contextmanager
def _plain_context(engine: Engine, settings: Settings, context: BenchContext) -> "Iterator[Callable[[], float]]":
    """Yields a function that decodes behind the prompt, always from the same place, and tells its speed."""
    from engine.bindings import TokenRun
    from engine.model import Context, ContextOptions, Model
    from engine.requests import Sampling
    from engine.sampling import Sampler

    frame = engine.ready.frame
    tokens = (token_id for chunk in context.chunks for token_id in chunk.token_ids)
    prompt = (*frame.preamble, *tokens, *frame.question(QUESTION))
    options = ContextOptions(
        num_cells=len(prompt) + NUM_TOKENS + 1,
        batch_tokens=settings.batch_tokens,
        num_threads=settings.threads,
        kv_type=settings.kv_type,
        blending=False,
    )
    with Model(engine.model_path, gpu_layers=settings.gpu_layers) as model, Context(model, options) as plain:
        plain.prefill(prompt[:-1], 0)

        def tokens_per_s() -> float:
            last = len(prompt) - 1
            plain.forget(Context.SEQUENCE, last)
            with Sampler(Sampling()) as sampler:

                def next_token(token_id: int, position: int) -> int:
                    plain.decode([TokenRun((token_id,), position, Context.SEQUENCE, want_logits=True)])
                    return sampler.next_token(plain)

                token_id, started = next_token(prompt[last], last), perf_counter()
                for position in range(len(prompt), len(prompt) + NUM_TOKENS):
                    token_id = next_token(token_id, position)
                return NUM_TOKENS / (perf_counter() - started)

        yield tokens_per_s
