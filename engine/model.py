"""Who owns the native objects: `Model` (weights, shared, read-only) and `Context` (KV cache and graph).

Both are context managers with an `ExitStack`: closing twice is harmless, closing a model with open contexts is
our own mistake and asserted. A `Context` belongs to one thread, the one that runs decodes; only `cancel` may be
called from elsewhere. Native failures come back as `EngineError` with llama.cpp's own complaint.

Keys that were moved are turned before anybody reads them: by `engine.key_rotation` where it is known how this model
turns keys, and by llama.cpp in the next decode elsewhere.

A decode can be watched and rewritten by a `GraphVisitor` (`engine.redirect`). Python exceptions raised by a visitor
never cross into C: the graph is stopped, the exception is raised from `decode` afterwards.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import psutil

from engine import bindings, native_log
from engine.bindings import FloatArray, TokenRun, llama
from engine.device_math import DeviceMath
from engine.errors import Cancelled, ContextTooLarge, DecodeFailed, ModelUnusable, RedirectFailed
from engine.gguf_header import GgufHeader, read_header
from engine.key_rotation import KeyRotation, MovedRun
from engine.kv_size import kv_bytes_per_token
from engine.owner import Owner
from engine.rates import PrefillSpeed

ALL_LAYERS = -1
"""`gpu_layers` that offloads everything, where a GPU is built in."""

_ABORTED = 2
"""llama_decode's answer when the abort callback said stop."""

_FLASH_ATTENTION_ON = 1

_MEMORY_RESERVE_BYTES = 512 << 20
"""Left free for compute buffers and everybody else when the KV cache is sized against the machine's memory."""


class GraphVisitor(Protocol):
    """Sees every node of every graph of one decode; see `ggml_backend_sched_eval_callback` in ggml-backend.h."""

    def visit(self, tensor_address: int, ask: bool) -> bool:
        """With `ask`: want this node alone, computed? Without: seen it; go on (true) or stop this split (false)?"""
        ...


class Model(Owner):
    """The weights and vocabulary of one GGUF file. Any thread may read; the owner closes."""

    def __init__(self, path: Path, *, gpu_layers: int = ALL_LAYERS, vocabulary_only: bool = False) -> None:
        native_log.install()
        self.header: GgufHeader = read_header(path)
        self.path = path
        self.num_open_contexts = 0
        self.on_gpu = gpu_layers != 0 and bool(llama.llama_supports_gpu_offload())
        self._stack = ExitStack()
        llama.llama_backend_init()
        params = llama.llama_model_default_params()
        params.n_gpu_layers = gpu_layers if gpu_layers >= 0 else 1 << 20
        params.vocab_only = vocabulary_only
        native_log.forget_complaints()
        self.handle: Any = llama.llama_model_load_from_file(str(path).encode(), params)
        if not self.handle:
            raise ModelUnusable(f"llama.cpp cannot load {path}: {native_log.complaints() or 'it gave no reason'}")
        self._stack.callback(llama.llama_model_free, self.handle)
        self.vocabulary: Any = llama.llama_model_get_vocab(self.handle)
        self.metadata = bindings.metadata_of(self.handle)

    @property
    def num_layers(self) -> int:
        return llama.llama_model_n_layer(self.handle)

    @property
    def num_vocabulary_tokens(self) -> int:
        return llama.llama_vocab_n_tokens(self.vocabulary)

    @property
    def num_trained_positions(self) -> int:
        """The longest sequence the model was trained for, in tokens."""
        return llama.llama_model_n_ctx_train(self.handle)

    def close(self) -> None:
        assert self.num_open_contexts == 0, "close the contexts of a model before the model"
        self._stack.close()


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """What a context is made for."""

    num_cells: int
    """KV cells: the longest sequence plus the scratch cells of redirected tokens."""
    batch_tokens: int = 512
    """Tokens one graph takes at most (n_batch = n_ubatch); a redirected batch must fit it."""
    num_threads: int = 0
    """CPU threads; 0 = one per physical core that this process may use."""
    kv_type: str = "f16"
    """ggml type of K and V rows in the cache."""
    blending: bool = True
    """Unified cache with flash attention and the graph callback; without it a plain context for exact answers."""


def usable_cores() -> int:
    """Physical cores, or the CPUs this process is confined to if those are fewer."""
    try:
        allowed = len(psutil.Process().cpu_affinity() or [])
    except (AttributeError, psutil.Error):  # macOS has no affinity
        allowed = psutil.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


class Context(Owner):
    """One KV cache with its compute graph; every method on the owner thread, except `cancel`."""

    SEQUENCE, SCRATCH = 0, 1
    """The main sequence, and the one that loading and redirecting pass through."""

    def __init__(self, model: Model, options: ContextOptions) -> None:
        self.model, self.options = model, options
        self.speed = PrefillSpeed()
        self.num_decodes = 0
        """Batches that went through. Where llama.cpp turns keys, each of them first turned those of all cells that had
        been moved before it; until then no state of those can be taken, and a decode that failed may have turned some
        of their layers."""
        self.key_rotation: KeyRotation | None = None
        """How moved keys are turned here; None: llama.cpp does it."""
        self._moved: list[MovedRun] = []
        self._visitor: GraphVisitor | None = None
        self._failure: BaseException | None = None
        self._cancelled = threading.Event()
        self._eval_callback = bindings.eval_callback(self._on_node)
        self._abort_callback = bindings.abort_callback(self._cancelled.is_set)
        self._stack = ExitStack()
        _check_memory(model, options)
        native_log.forget_complaints()
        self.handle: Any = llama.llama_init_from_model(model.handle, self._params())
        if not self.handle:
            raise ModelUnusable(
                f"llama.cpp cannot make a context of {options.num_cells} tokens for {model.path.name}: "
                f"{native_log.complaints() or 'it gave no reason'}"
            )
        self._stack.callback(llama.llama_free, self.handle)
        model.num_open_contexts += 1
        self._stack.callback(self._forget)
        self.memory: Any = llama.llama_get_memory(self.handle)
        self.math = self._stack.enter_context(DeviceMath(options.num_threads or usable_cores()))

    def _params(self) -> Any:
        options, params = self.options, llama.llama_context_default_params()
        params.n_ctx, params.n_seq_max = options.num_cells, 2 if options.blending else 1
        params.n_batch = params.n_ubatch = options.batch_tokens
        params.n_threads = params.n_threads_batch = options.num_threads or usable_cores()
        params.type_k = params.type_v = bindings.type_code(options.kv_type)
        params.no_perf = True
        params.abort_callback = self._abort_callback
        if options.blending:
            params.kv_unified = True
            params.flash_attn_type = _FLASH_ATTENTION_ON
            params.cb_eval = self._eval_callback
        return params

    # --- decoding

    def decode(
        self, runs: Sequence[TokenRun], visitor: GraphVisitor | None = None, *, timed_at: float | None = None
    ) -> None:
        """Run one batch of at most `batch_tokens` tokens; with a visitor, show it every node.

        `timed_at`: it is prompt that is computed through all layers, at this mean position, so its time counts for
        `speed`. Raises `Cancelled` (the cache then holds an unknown part of the batch), `DecodeFailed`, or what the
        visitor raised.
        """
        batch, arrays = bindings.make_batch(runs)
        assert 0 < batch.n_tokens <= self.options.batch_tokens, f"a batch of {batch.n_tokens} tokens"
        self.check_cancelled()
        self.settle()
        started = perf_counter()
        native_log.forget_complaints()
        self._visitor, self._failure = visitor, None
        if self.options.blending:
            bindings.watch_graphs(self.handle, self._eval_callback if visitor else None)
        try:
            status = llama.llama_decode(self.handle, batch)
            llama.llama_synchronize(self.handle)
        finally:
            self._visitor = None
            del arrays  # the batch points into them until here
        if self._failure is not None:
            raise self._failure
        if status == _ABORTED:
            self.check_cancelled()
        if status != 0:
            raise DecodeFailed(f"llama.cpp refused {batch.n_tokens} tokens (code {status}): {native_log.complaints()}")
        self.num_decodes += 1
        if timed_at is not None:
            self.speed.note(batch.n_tokens, (perf_counter() - started) * 1e3, timed_at)

    def prefill(
        self,
        token_ids: Sequence[int],
        first_position: int,
        *,
        want_logits: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Decode a long run in the main sequence, `batch_tokens` at a time; `progress` gets the tokens done."""
        step = self.options.batch_tokens
        for start in range(0, len(token_ids), step):
            piece = token_ids[start : start + step]
            last = start + len(piece) == len(token_ids)
            run = TokenRun(piece, first_position + start, self.SEQUENCE, want_logits and last)
            self.decode([run], timed_at=run.mean_position)
            if progress:
                progress(start + len(piece))

    def _on_node(self, tensor_address: int, ask: bool) -> bool:
        if self._visitor is None:
            return not ask
        if self._failure is not None:
            return ask  # stop: compute this node alone, then break off
        try:
            return self._visitor.visit(tensor_address, ask)
        except BaseException as error:  # noqa: BLE001 - an exception must not cross into C; decode raises it
            self._failure = error
            return ask

    def logits(self) -> FloatArray:
        """A copy of the last batch's logits: (vocabulary,) float32."""
        return bindings.last_logits(self.handle, self.model.num_vocabulary_tokens)

    # --- the cache

    def clear(self) -> None:
        """Empty the cache; the next tokens go to the cells from 0 on."""
        self._moved.clear()
        llama.llama_memory_clear(self.memory, True)

    def shift(self, sequence: int, delta: int) -> None:
        """Move all positions of a sequence; llama.cpp turns the keys lazily, in the next decode."""
        llama.llama_memory_seq_add(self.memory, sequence, -1, -1, delta)

    def note_moved(self, first_position: int, end_position: int, delta: int) -> None:
        """Keys of the main sequence at `[first, end)` were computed for positions `delta` before theirs: they are to be
        turned before anybody reads them. Only where `key_rotation` is known."""
        self._moved.append(MovedRun(first_position, end_position, delta))

    def settle(self) -> None:
        """Turn the keys that `note_moved` told of, before the cache is read by anything but a decode.

        Raises `DecodeFailed` where the device cannot. Then the cache is empty, for some of it may be turned, and from
        there on llama.cpp turns keys.
        """
        if not self._moved:
            return
        assert self.key_rotation is not None, "nobody moves keys that nobody can turn"
        moved, self._moved = self._moved, []
        try:
            self.key_rotation.turn(self.math, moved)
        except RedirectFailed as error:
            self.clear()
            self.key_rotation = None
            raise DecodeFailed(f"the keys of moved tokens cannot be turned: {error}") from error

    def share(self, source: int, target: int, first_position: int = -1, end_position: int = -1) -> None:
        """Let `target` own the cells of `source` at positions `[first, end)` too; −1 = from the start, to the end."""
        llama.llama_memory_seq_cp(self.memory, source, target, first_position, end_position)

    def forget(self, sequence: int, first_position: int = -1, end_position: int = -1) -> None:
        """Drop positions `[first, end)` of a sequence; −1 = from the start, to the end."""
        if not llama.llama_memory_seq_rm(self.memory, sequence, first_position, end_position):
            raise DecodeFailed(f"the cache cannot drop positions [{first_position}, {end_position})")
        if sequence == self.SEQUENCE and self._moved:
            end = end_position if end_position >= 0 else self.options.num_cells
            self._moved = [left for run in self._moved for left in run.without(max(first_position, 0), end)]

    # --- stopping

    def cancel(self) -> None:
        """Ask the running and all later decodes to stop; from any thread."""
        self._cancelled.set()

    def allow(self) -> None:
        """Take `cancel` back, for the next request."""
        self._cancelled.clear()

    def check_cancelled(self) -> None:
        """Raise `Cancelled` if it is so."""
        if self._cancelled.is_set():
            raise Cancelled("stopped on request")

    def _forget(self) -> None:
        self.model.num_open_contexts -= 1

    def close(self) -> None:
        self._stack.close()


def _check_memory(model: Model, options: ContextOptions) -> None:
    # An allocation that is too large may succeed and be killed later, so ask before trying.
    wanted = kv_bytes_per_token(model.header, options.kv_type) * options.num_cells
    on_gpu = llama.llama_supports_gpu_offload()
    available = psutil.virtual_memory().available - _MEMORY_RESERVE_BYTES
    if not on_gpu and wanted > available:
        raise ContextTooLarge(
            f"a context of {options.num_cells} tokens needs {wanted / 2**30:.1f} GiB for its KV cache, but only "
            f"{max(available, 0) / 2**30:.1f} GiB are free. "
            "Lower context_tokens or window_tokens, or set kv_type to q8_0."
        )
