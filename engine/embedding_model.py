"""Which models turn texts into vectors, and how: decided from GGUF metadata, before anything is loaded. Pure.

A file is of an embedding model when it says how the vectors of a text's tokens become one
(`<architecture>.pooling_type`), or when its architecture serves nothing else; a pooling that ranks pairs of texts makes
no vectors. Some models were trained with a word in front of each text that says what the text is for, and find little
without it; no metadata tells, so the known ones are listed here by name.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from engine.errors import ModelUnusable
from engine.gguf_header import GgufHeader


class Pooling(IntEnum):
    """How the vectors of a text's tokens become one; the numbers of llama.cpp's `llama_pooling_type`."""

    MEAN = 1
    FIRST = 2
    LAST = 3


_RANK = 4
"""LLAMA_POOLING_TYPE_RANK: a score for a question and a text, read together."""

_ENCODERS = frozenset(
    {
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "llama-embed",
    }
)
"""Architectures of llama.cpp (src/llama-arch.cpp) that read a text as a whole and write none."""

MAX_WINDOW = 2048
"""Tokens that are read at once, at most: four chunks of the default size. Models for 8,192 and more would reserve
memory for it that grows with the square, and a longer text is read in windows anyway. Sane: 512 to 8,192."""

_DEFAULT_WINDOW = 512
"""Where the file does not say how long a text may be: what most encoders were trained for."""

_TASK = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_REPRESENT = "Represent this sentence for searching relevant passages: "

_PREFIXES = (
    (r"nomic-embed|modernbert-embed", "search_query: ", "search_document: "),
    (r"gemma-embedding|embedding-?gemma", "task: search result | query: ", "title: none | text: "),
    (r"qwen3-embedding", _TASK, ""),
    (r"\be5\b.*instruct|e5-mistral|gte-qwen", f"{_TASK} ", ""),
    (r"\be5\b", "query: ", "passage: "),
    (r"arctic-embed.*v2", "query: ", ""),
    (r"arctic-embed|mxbai-embed|bge-(small|base|large)-en", _REPRESENT, ""),
)
"""Pattern of the name → what stands before a question, and before a text. The first that fits; from the model cards."""


@dataclass(frozen=True, slots=True)
class EmbeddingTraits:
    """How a model turns texts into vectors: all of it changes the numbers."""

    pooling: Pooling
    max_tokens: int
    """Tokens of the longest text that is read at once."""
    query_prefix: str
    document_prefix: str


def is_embedding_model(header: GgufHeader) -> bool:
    """Whether the model makes vectors for search, and so cannot answer."""
    pooling = header.of_architecture("pooling_type")
    return pooling != _RANK and (header.architecture in _ENCODERS or pooling in tuple(Pooling))


def embedding_traits(header: GgufHeader) -> EmbeddingTraits:
    """What to know about an embedding model; `ModelUnusable` for any other."""
    if not is_embedding_model(header):
        raise ModelUnusable(
            f"{header.path} is no embedding model: it is {header.architecture} without a pooling of whole texts. "
            "Give one that makes vectors for search, e.g. all-MiniLM, nomic-embed or Qwen3-Embedding."
        )
    pooling, window = header.of_architecture("pooling_type"), header.of_architecture("context_length")
    query_prefix, document_prefix = _prefixes(header)
    return EmbeddingTraits(
        pooling=Pooling(pooling) if pooling in tuple(Pooling) else Pooling.MEAN,
        max_tokens=min(window, MAX_WINDOW) if isinstance(window, int) and window > 0 else _DEFAULT_WINDOW,
        query_prefix=query_prefix,
        document_prefix=document_prefix,
    )


def _prefixes(header: GgufHeader) -> tuple[str, str]:
    says = (header.metadata.get(f"general.{key}", "") for key in ("architecture", "name", "basename"))
    name = re.sub(r"[\s_.]+", "-", " ".join(map(str, (*says, header.path.stem))).lower())
    known = ((query, document) for pattern, query, document in _PREFIXES if re.search(pattern, name))
    return next(known, ("", ""))
