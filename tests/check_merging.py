"""How long it takes to put chunk states into the cache and turn their keys, with the engine alone, for machines that
have numpy and the native library, but none of the app's packages:
`python -m tests.check_merging MODEL --tokens 3072 --chunk-tokens 512 --kv-type q8_0`.

One chunk is computed, and its state merged again and again until the context is as long as wanted. Prints medians in
milliseconds:

    merge      all states copied into the cache, at the positions where they are to stand
    turn       their keys turned to those positions by a graph of ours (`engine.key_rotation`)
    shift      the same by llama.cpp, in the next decode: a decode of one token with all of it waiting, less
    decode     a decode of one token with nothing waiting
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from engine import bindings, kv_state  # before numpy, see there
from engine.bindings import TokenRun
from engine.key_rotation import KeyRotation
from engine.model import ALL_LAYERS, Context, ContextOptions, Model
from engine.self_check import graph_blendability, key_rotation, model_blendability

_NUM_PREAMBLE = 32
"""The chunk is computed behind so many tokens; the first copy of it moves too, to position 0."""


class _Measured:
    """One context, one state, and ways to merge it."""

    def __init__(self, context: Context, num_tokens: int, chunk_tokens: int) -> None:
        self.context, self.num_chunks, self.chunk_tokens = context, num_tokens // chunk_tokens, chunk_tokens
        vocabulary = context.model.num_vocabulary_tokens
        tokens = [(7919 * i) % vocabulary for i in range(_NUM_PREAMBLE + chunk_tokens)]
        preamble = kv_state.encode_preamble(context, tokens[:_NUM_PREAMBLE])
        self.state = kv_state.encode_chunk(context, preamble, _NUM_PREAMBLE, tokens[_NUM_PREAMBLE:])

    def merge(self) -> None:
        for number in range(self.num_chunks):
            kv_state.merge(self.context, self.state, number * self.chunk_tokens - _NUM_PREAMBLE)

    def decode(self) -> None:
        self.context.decode([TokenRun([0], self.num_chunks * self.chunk_tokens, Context.SEQUENCE)])

    def round(self, rotation: KeyRotation | None) -> dict[str, float]:
        self.context.clear()
        self.context.key_rotation = rotation
        times = {"merge": _ms(self.merge)}
        if rotation is not None:
            times["turn"] = _ms(self.context.settle)
        times["decode" if rotation is not None else "shift and decode"] = _ms(self.decode)
        return times


def main() -> None:
    options = _parsed()
    cells = options.cells or options.tokens + options.batch
    of_context = ContextOptions(cells, options.batch, num_threads=options.threads, kv_type=options.kv_type)
    with Model(options.model, gpu_layers=options.gpu_layers) as model, Context(model, of_context) as context:
        for verdict in (model_blendability(model), graph_blendability(context)):
            assert verdict.possible, verdict.reason
        started = perf_counter()
        rotation = key_rotation(context)
        print(f"self-check     {(perf_counter() - started) * 1e3:9.2f}")
        measured = _Measured(context, options.tokens, options.chunk_tokens)
        times: dict[str, list[float]] = {}
        for _ in range(options.rounds + 1):
            for way in (rotation, None):
                for name, ms in measured.round(way).items():
                    times.setdefault(name, []).append(ms)
        gpu = bindings.gpu() if model.on_gpu else None
        print(f"{bindings.device_description(gpu) if gpu else 'CPU'}, {options.model.name}, {options.kv_type}")
        medians = {name: median(values[1:]) for name, values in times.items()}  # the first round warms up
        if rotation is not None:
            medians["shift"] = medians.pop("shift and decode") - medians["decode"]
        for name, ms in medians.items():
            print(f"{name:14} {ms:9.2f}")


def _ms(act: Callable[[], None]) -> float:
    started = perf_counter()
    act()
    return (perf_counter() - started) * 1e3


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=3072)
    parser.add_argument("--chunk-tokens", type=int, default=512)
    parser.add_argument("--cells", type=int, default=0, help="of the cache; 0: the tokens and a batch")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--kv-type", default="f16")
    parser.add_argument("--gpu-layers", type=int, default=ALL_LAYERS)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


if __name__ == "__main__":
    main()
