"""What a model is, and whether it fits this machine: facts from its header, and a verdict. Pure, but `memory_now`.

The memory is the machine's own: what a graphics card holds is not known here, and a model that is offloaded to one
needs less. Weights are mapped from the file, so a model larger than the free memory still runs while nothing else needs
it, slowly; one larger than the machine's memory reads its weights from the disk for every token.
"""

from dataclasses import dataclass
from enum import StrEnum

import psutil

from app.models.labels import num_parameters, quantisation
from app.models.listed import ListedModel
from app.settings import Settings
from engine.architecture import blendability
from engine.kv_size import kv_bytes_per_token

_PROGRAM_BYTES = 512 << 20
"""Compute buffers, index, vocabulary: 300 to 500 MB were seen with models of 0.5B to 8B."""

_USABLE_SHARE = 0.9
"""Of the memory: a system that is filled to the brim begins to swap."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What its file says of a model."""

    architecture: str
    num_parameters: str
    """`0.5B`; empty where nobody says."""
    quantisation: str
    """`Q4_K_M`; empty where nobody says."""
    context_length: int | None
    """Tokens of the longest sequence that it was trained for."""
    kv_bytes_per_token: int
    """Of K and V in memory and, nearly, on disk; 0: the file does not say."""
    blendable: bool
    reason: str
    """Why it is not, as a clause."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of this machine."""

    total_bytes: int
    available_bytes: int


class Verdict(StrEnum):
    """How a model fits into the memory."""

    FITS = "fits"
    TIGHT = "tight"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model fits, with the numbers."""

    verdict: Verdict
    needed_bytes: int
    memory: Memory

    @property
    def words(self) -> str:
        """As a sentence."""
        needed, total, free = map(_gigabytes, (self.needed_bytes, self.memory.total_bytes, self.memory.available_bytes))
        if self.verdict is Verdict.TOO_LARGE:
            return f"too large: needs {needed}, and this machine has {total} of RAM"
        if self.verdict is Verdict.TIGHT:
            return f"tight: needs {needed}, and {free} of {total} of RAM are free now"
        return f"fits: needs {needed} of the {free} of RAM that are free"


def facts_of(model: ListedModel, kv_type: str) -> ModelFacts | None:
    """What is known of a model; None where there is no file yet, or none that can be read."""
    header = model.header
    if header is None:
        return None
    length = header.of_architecture("context_length")
    verdict = blendability(header)
    blendable = verdict.possible and not model.is_embedding
    name = " ".join((*model.aliases, model.name))
    return ModelFacts(
        architecture=header.architecture,
        num_parameters=num_parameters(name, header.metadata),
        quantisation=quantisation(name, header.metadata),
        context_length=length if isinstance(length, int) and length > 0 else None,
        kv_bytes_per_token=0 if model.is_embedding else kv_bytes_per_token(header, kv_type),
        blendable=blendable,
        reason="it is an embedding model" if model.is_embedding else verdict.reason,
    )


def fit_of(num_bytes: int, facts: ModelFacts | None, settings: Settings, memory: Memory) -> Fit:
    """Whether a model of this size fits with a conversation as long as the settings want it."""
    kv_bytes = facts.kv_bytes_per_token * _num_cells(facts, settings) if facts else 0
    needed = num_bytes + kv_bytes + _PROGRAM_BYTES
    if needed <= memory.available_bytes * _USABLE_SHARE:
        verdict = Verdict.FITS
    else:
        verdict = Verdict.TIGHT if needed <= memory.total_bytes * _USABLE_SHARE else Verdict.TOO_LARGE
    return Fit(verdict, needed, memory)


def memory_now() -> Memory:
    """Of this machine, at this moment."""
    memory = psutil.virtual_memory()
    return Memory(memory.total, memory.available)


def _num_cells(facts: ModelFacts, settings: Settings) -> int:
    """Tokens that have K and V in memory: the conversation, those recomputed at once, and the chunk being steeped."""
    wanted = max(settings.window_tokens, settings.context_tokens + settings.max_answer_tokens)
    window = min(wanted, facts.context_length) if facts.context_length else wanted
    return window + settings.batch_tokens + 2 * settings.chunk_tokens


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.1f} GB"
