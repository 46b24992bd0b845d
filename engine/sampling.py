"""Picking the next token: llama.cpp's own samplers, owned. Owner thread of the context only."""

from contextlib import ExitStack
from typing import Any

from engine.bindings import llama
from engine.model import Context
from engine.owner import Owner
from engine.requests import Sampling

_MIN_KEPT_TOKENS = 1


class Sampler(Owner):
    """A sampler chain for one answer; a context manager."""

    def __init__(self, sampling: Sampling) -> None:
        self._stack = ExitStack()
        self._chain: Any = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        self._stack.callback(llama.llama_sampler_free, self._chain)
        if sampling.temperature == 0:
            self._add(llama.llama_sampler_init_greedy())
            return
        self._add(llama.llama_sampler_init_top_p(sampling.top_p, _MIN_KEPT_TOKENS))
        self._add(llama.llama_sampler_init_temp(sampling.temperature))
        self._add(llama.llama_sampler_init_dist(sampling.seed))

    def _add(self, sampler: Any) -> None:
        llama.llama_sampler_chain_add(self._chain, sampler)  # the chain owns it from here

    def next_token(self, context: Context) -> int:
        """A token for the last logits of the last batch."""
        return int(llama.llama_sampler_sample(self._chain, context.handle, -1))

    def close(self) -> None:
        self._stack.close()
