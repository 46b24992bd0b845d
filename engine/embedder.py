"""Texts → vectors for search, by an embedding model with a llama.cpp context of its own.

Encoders read all tokens of a batch in one graph, each with all others of its text, so a batch never has more tokens
than a micro-batch; several short texts share one, each as a sequence. Decoders (Qwen3-Embedding) go through the same
door: one micro-batch, an empty cache before it. The pooling is computed in the graph.

An `Embedder` belongs to one thread.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from engine import bindings, native_log
from engine.bindings import FloatArray, TokenRun, llama
from engine.embedding_model import embedding_traits
from engine.errors import DecodeFailed, ModelUnusable
from engine.gguf_header import read_header
from engine.model import ALL_LAYERS, Model, usable_cores
from engine.owner import Owner

# isort: split
import numpy as np  # after the bindings, see there

BATCH_TOKENS = 512
"""Tokens of short texts that go through the model together. Attention costs the square of a batch: on a CPU 60-token
texts were fastest at 4 to 8 of them (55 texts/s), and at 32 slower than alone (47 against 52)."""

_MAX_SEQUENCES = 32
"""Texts in one batch; fewer than 16 tokens each are too rare to matter."""


class Embedder(Owner):
    """See the module docstring."""

    def __init__(self, path: Path, *, gpu_layers: int = ALL_LAYERS, num_threads: int = 0) -> None:
        """Load the model; `num_threads` 0: one per physical core. Raises `ModelUnusable`, also for other models."""
        self.traits = embedding_traits(read_header(path, vocabulary=False))
        with ExitStack() as stack:
            self._model = stack.enter_context(Model(path, gpu_layers=gpu_layers))
            self.max_tokens = min(self.traits.max_tokens, self._model.num_trained_positions)
            self._batch_tokens = max(self.max_tokens, BATCH_TOKENS)
            native_log.forget_complaints()
            self._context: Any = llama.llama_init_from_model(self._model.handle, self._params(num_threads))
            if not self._context:
                raise ModelUnusable(
                    f"llama.cpp cannot make a context for {path}: {native_log.complaints() or 'it gave no reason'}"
                )
            stack.callback(llama.llama_free, self._context)
            self._stack = stack.pop_all()
        self._memory: Any = llama.llama_get_memory(self._context)  # none for encoders
        self._run = llama.llama_decode if llama.llama_model_has_decoder(self._model.handle) else llama.llama_encode
        self.dimension: int = llama.llama_model_n_embd_out(self._model.handle)

    def _params(self, num_threads: int) -> Any:
        params = llama.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = self._batch_tokens
        params.n_seq_max, params.kv_unified = _MAX_SEQUENCES, True
        params.n_threads = params.n_threads_batch = num_threads or usable_cores()
        params.embeddings, params.pooling_type = True, int(self.traits.pooling)
        params.no_perf = True
        return params

    def embed_query(self, question: str) -> FloatArray:
        """The vector that a question searches with: (dimension,)."""
        return self.embed([question], prefix=self.traits.query_prefix)[0]

    def embed_documents(self, texts: Sequence[str]) -> FloatArray:
        """The vectors under which texts are found: (texts, dimension)."""
        return self.embed(texts, prefix=self.traits.document_prefix)

    def embed(self, texts: Sequence[str], *, prefix: str = "") -> FloatArray:
        """Vectors of length 1: (texts, dimension) float32; a text without any token gets zeros.

        A text that is longer than the window is read in windows of equal length, each behind the prefix, and gets
        the direction of their average. Raises `DecodeFailed`.
        """
        windows = [(row, window) for row, text in enumerate(texts) for window in self._windows(prefix, text)]
        sums = np.zeros((len(texts), self.dimension), np.float32)
        for batch in self._batches(windows):
            # Not in place by a list of rows: numpy would add only one of the windows of a text.
            np.add.at(sums, [row for row, _ in batch], _unit(self._encode([window for _, window in batch])))
        return _unit(sums)

    def _windows(self, prefix: str, text: str) -> Iterator[list[int]]:
        """The text's tokens in as few runs as possible, each with prefix and special tokens around it."""
        token_ids = self._tokens(prefix + text, add_special=True)
        if len(token_ids) <= self.max_tokens:
            if token_ids:
                yield token_ids
            return
        plain = self._tokens(prefix + text, add_special=False)
        begin = next(i for i in range(len(token_ids)) if token_ids[i : i + len(plain)] == plain)
        # Its last space belongs to the word behind it in many vocabularies.
        begin_text = begin + len(self._tokens(prefix.rstrip(" "), add_special=False))
        end = begin + len(plain)
        head, tail = token_ids[:begin_text], token_ids[end:]
        room = self.max_tokens - len(head) - len(tail)
        if room < 1:
            raise DecodeFailed(f"{self._model.path.name} reads {self.max_tokens} tokens, fewer than its prefix has")
        num_windows = -(-(end - begin_text) // room)
        bounds = np.linspace(begin_text, end, num_windows + 1).round().astype(int).tolist()
        for first, last in pairwise(bounds):
            yield [*head, *token_ids[first:last], *tail]

    def _tokens(self, text: str, *, add_special: bool) -> list[int]:
        return bindings.tokenize(self._model.vocabulary, text.encode(errors="replace"), add_special, False)

    def _batches(self, windows: Sequence[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
        batch: list[tuple[int, list[int]]] = []
        num_tokens = 0
        for row, window in windows:
            if batch and (len(batch) == _MAX_SEQUENCES or num_tokens + len(window) > BATCH_TOKENS):
                yield batch
                batch, num_tokens = [], 0
            batch.append((row, window))
            num_tokens += len(window)
        if batch:
            yield batch

    def _encode(self, windows: Sequence[list[int]]) -> FloatArray:
        """The pooled vectors of one batch: (windows, dimension)."""
        runs = [TokenRun(window, 0, sequence) for sequence, window in enumerate(windows)]
        batch, arrays = bindings.make_batch(runs, want_all=True)
        assert 0 < batch.n_tokens <= self._batch_tokens, f"a batch of {batch.n_tokens} tokens"
        if self._memory:
            llama.llama_memory_clear(self._memory, False)
        native_log.forget_complaints()
        status = self._run(self._context, batch)
        if status != 0:
            raise DecodeFailed(
                f"{self._model.path.name} refused {batch.n_tokens} tokens (code {status}): {native_log.complaints()}"
            )
        pooled = [bindings.sequence_embedding(self._context, run.sequence, self.dimension) for run in runs]
        del arrays  # the batch points into them until here
        vectors = np.stack(pooled)
        if not np.isfinite(vectors).all():
            raise DecodeFailed(f"{self._model.path.name} computed vectors that are not numbers")
        return vectors

    def close(self) -> None:
        self._stack.close()


def _unit(vectors: FloatArray) -> FloatArray:
    """Rows of length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
