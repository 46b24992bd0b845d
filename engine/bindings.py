"""The only module that touches ctypes: what the engine needs of llama.cpp and ggml, typed.

llama-cpp-python declares the `llama_*` calls; this module adds the few `ggml_*` calls and the layout of
`ggml_tensor` (`ggml/include/ggml.h`) that watching and rewriting a compute graph needs. The layout is not part of
a stable interface, so `layout_faults` compares every field with what ggml's own accessors say, in about a
millisecond; nobody may read a `Tensor` of a graph before that list came back empty.

`llama_cpp` is imported before numpy, here and by everyone who imports this module first: with the CUDA backend
the other order loads two C++ runtimes and crashes in `std::ostream`.

Threads: the functions are as thread-safe as the objects they are given. ctypes releases the GIL for the length
of a call, and callbacks take it again.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import llama_cpp  # before numpy, see above
import numpy as np
import numpy.typing as npt
from llama_cpp import _ctypes_extensions

from engine.errors import LibraryMismatch

llama: Any = llama_cpp
"""The `llama_*` functions. Untyped, because the package annotates plain integers and handles as ctypes classes."""

LIBRARY_VERSION = "0.3.36"
"""The llama-cpp-python whose graph and struct layout this code was written against."""

MAX_DIMS, MAX_SRC, MAX_NAME, OP_PARAMS_INTS = 4, 10, 64, 16
"""GGML_MAX_DIMS, GGML_MAX_SRC, GGML_MAX_NAME and GGML_MAX_OP_PARAMS / 4 of ggml.h."""

NUM_OPS, NUM_TYPES = 101, 43
"""GGML_OP_COUNT and GGML_TYPE_COUNT: asking ggml for the name of a larger number reads past its table."""

NO_OP = 0
"""GGML_OP_NONE: the tensor is not computed, it is an input, a weight or a cache."""

HADAMARD_HINT = 1
"""GGML_HINT_SRC0_IS_HADAMARD, the second parameter of a product whose first factor is a Walsh-Hadamard matrix."""

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
ByteArray = npt.NDArray[np.uint8]


class Tensor(ctypes.Structure):
    """`struct ggml_tensor`, field for field (ggml.h)."""


Tensor._fields_ = [  # the struct points at itself, so the fields come after the class
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * MAX_DIMS),
    ("nb", ctypes.c_size_t * MAX_DIMS),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * OP_PARAMS_INTS),
    ("flags", ctypes.c_int32),
    ("src", ctypes.c_void_p * MAX_SRC),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * MAX_NAME),
    ("extra", ctypes.c_void_p),
    ("padding", ctypes.c_char * 8),
]


_any_ctypes: Any = ctypes
"""For pointer types that are made from other types at run time, which type checkers cannot follow."""

_library_finder: Any = _ctypes_extensions
_ggml: Any = _library_finder.load_shared_library("ggml-base", Path(llama_cpp.__file__).parent / "lib")
_llama_library: Any = _library_finder.load_shared_library("llama", Path(llama_cpp.__file__).parent / "lib")
_ggml_registry: Any = _library_finder.load_shared_library("ggml", Path(llama_cpp.__file__).parent / "lib")


def _declare(name: str, restype: Any, *argtypes: Any, library: Any = _ggml) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = restype, list(argtypes)
    return function


_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
_tensor_set = _declare("ggml_backend_tensor_set", None, _pointer, _pointer, _size, _size)
_tensor_get = _declare("ggml_backend_tensor_get", None, _pointer, _pointer, _size, _size)
_nbytes = _declare("ggml_nbytes", _size, _pointer)
_op_name = _declare("ggml_op_name", ctypes.c_char_p, ctypes.c_int)
_type_name = _declare("ggml_type_name", ctypes.c_char_p, ctypes.c_int)
_type_size = _declare("ggml_type_size", _size, ctypes.c_int)
_block_size = _declare("ggml_blck_size", ctypes.c_int64, ctypes.c_int)
_get_name = _declare("ggml_get_name", _pointer, _pointer)
_get_data = _declare("ggml_get_data", _pointer, _pointer)


# --- tensors of a graph ---------------------------------------------------------------------------------------


def tensor_at(address: int) -> Tensor:
    """A view of the `ggml_tensor` at `address`; it lives as long as the graph does."""
    return Tensor.from_address(address)


def num_tensor_bytes(address: int) -> int:
    return int(_nbytes(address))


def read_tensor(address: int, offset: int, num_bytes: int) -> ByteArray:
    """Copy bytes `[offset, offset + num_bytes)` of a tensor's data from whichever device holds it."""
    _check_range(address, offset, num_bytes)
    out = np.empty(num_bytes, np.uint8)
    _tensor_get(address, out.ctypes.data, offset, num_bytes)
    return out


def write_tensor(address: int, values: npt.NDArray[Any], offset: int = 0) -> None:
    """Overwrite a tensor's data from byte `offset` on, on whichever device holds it."""
    values = np.ascontiguousarray(values)
    _check_range(address, offset, values.nbytes)
    _tensor_set(address, values.ctypes.data, offset, values.nbytes)


def _check_range(address: int, offset: int, num_bytes: int) -> None:
    # ggml aborts the process where this raises.
    available = num_tensor_bytes(address)
    if offset < 0 or num_bytes < 0 or offset + num_bytes > available:
        name = tensor_at(address).name.decode(errors="replace")
        raise LibraryMismatch(
            f"tensor {name!r} holds {available} bytes, but bytes [{offset}, {offset + num_bytes}) were asked for"
        )


def op_code(name: str) -> int:
    """The number of the operation that this build of ggml calls `name`, e.g. "SET_ROWS"."""
    for code in range(NUM_OPS):
        if _op_name(code) == name.encode():
            return code
    raise LibraryMismatch(f"this build of ggml has no operation {name!r}")


def op_name(code: int) -> str:
    return _op_name(code).decode()


def type_name(code: int) -> str:
    return _type_name(code).decode()


def type_code(name: str) -> int:
    """The number of the ggml type called `name`, e.g. "f16" or "q8_0"."""
    for code in range(NUM_TYPES):
        if _type_name(code) == name.encode():
            return code
    raise LibraryMismatch(f"this build of ggml has no type {name!r}")


def row_bytes(type_: int, num_values: int) -> int:
    """Bytes of one row of `num_values` values stored as `type_` (ggml_row_size)."""
    return int(_type_size(type_)) * num_values // int(_block_size(type_))


# --- the evaluation callback --------------------------------------------------------------------------------------

_set_callback = _declare("ggml_backend_sched_set_eval_callback", None, _pointer, _pointer, _pointer)
_get_scheduler: Any = getattr(_llama_library, "_ZNK13llama_context9get_schedEv", None)
if _get_scheduler is not None:
    _get_scheduler.restype, _get_scheduler.argtypes = _pointer, [_pointer]


def watch_graphs(context: Any, callback: Any | None) -> None:
    """Have the next graph of a context shown to its callback, or (None) to nobody, which saves asking for each node.

    Asking costs half a microsecond per node, a sixth of a small model's token on a fast GPU. llama.cpp takes a callback
    only when a context is made and sets it again whenever it builds a graph anew, so a decode may still be watched that
    need not be; one that has to be is always. Its scheduler has no public name: it is reached by
    `llama_context::get_sched() const`, which this version exports on Linux and macOS. Elsewhere this does nothing.
    """
    if _get_scheduler is not None:
        _set_callback(_get_scheduler(context), _any_ctypes.cast(callback, _pointer) if callback else None, None)


# --- graphs of our own ----------------------------------------------------------------------------------------


class _InitParams(ctypes.Structure):
    _fields_ = (("mem_size", _size), ("mem_buffer", _pointer), ("no_alloc", ctypes.c_bool))


_int, _long, _float = ctypes.c_int, ctypes.c_int64, ctypes.c_float
_init = _declare("ggml_init", _pointer, _InitParams)
_tensor_overhead = _declare("ggml_tensor_overhead", _size)
_graph_overhead = _declare("ggml_graph_overhead", _size)
_new_4d = _declare("ggml_new_tensor_4d", _pointer, _pointer, _int, _long, _long, _long, _long)
_set_input = _declare("ggml_set_input", None, _pointer)
_set_output = _declare("ggml_set_output", None, _pointer)
_soft_max = _declare("ggml_soft_max_ext", _pointer, _pointer, _pointer, _pointer, _float, _float)
_reshape_4d = _declare("ggml_reshape_4d", _pointer, _pointer, _pointer, _long, _long, _long, _long)
_set_hint = _declare("ggml_mul_mat_set_hint", None, _pointer, _int)
_rope = _declare(
    "ggml_rope_ext", _pointer, *[_pointer] * 4, _int, _int, _int, _float, _float, _float, _float, _float, _float
)
_buffer_type = _declare("ggml_backend_buffer_get_type", _pointer, _pointer)
_buffer_type_device = _declare("ggml_backend_buft_get_device", _pointer, _pointer)
_device_by_type = _declare("ggml_backend_dev_by_type", _pointer, _int, library=_ggml_registry)
_device_description = _declare("ggml_backend_dev_description", ctypes.c_char_p, _pointer)
_device_init = _declare("ggml_backend_dev_init", _pointer, _pointer, _pointer)
_device_registry = _declare("ggml_backend_dev_backend_reg", _pointer, _pointer)
_registry_function = _declare("ggml_backend_reg_get_proc_address", _pointer, _pointer, ctypes.c_char_p)
_default_buffer_type = _declare("ggml_backend_get_default_buffer_type", _pointer, _pointer)
_supports = _declare("ggml_backend_supports_op", ctypes.c_bool, _pointer, _pointer)
_allocate_graph = _declare("ggml_gallocr_alloc_graph", ctypes.c_bool, _pointer, _pointer)
_compute_graph = _declare("ggml_backend_graph_compute", _int, _pointer, _pointer)
_host_buffer_type = _declare("ggml_backend_dev_host_buffer_type", _pointer, _pointer)
_allocate_buffer = _declare("ggml_backend_buft_alloc_buffer", _pointer, _pointer, _size)
_buffer_base = _declare("ggml_backend_buffer_get_base", _pointer, _pointer)
free_buffer = _declare("ggml_backend_buffer_free", None, _pointer)

_CPU, _GPU = 0, 1
"""GGML_BACKEND_DEVICE_TYPE_CPU and _GPU of ggml-backend.h."""

free_graph_memory = _declare("ggml_free", None, _pointer)
new_graph = _declare("ggml_new_graph", _pointer, _pointer)
add_to_graph = _declare("ggml_build_forward_expand", None, _pointer, _pointer)
view_3d = _declare("ggml_view_3d", _pointer, _pointer, _pointer, _long, _long, _long, _size, _size, _size)
"""(memory, tensor, ne0, ne1, ne2, nb1, nb2, offset)"""
mul_mat = _declare("ggml_mul_mat", _pointer, _pointer, _pointer, _pointer)
add = _declare("ggml_add", _pointer, _pointer, _pointer, _pointer)
subtract = _declare("ggml_sub", _pointer, _pointer, _pointer, _pointer)
square = _declare("ggml_sqr", _pointer, _pointer, _pointer)
transpose = _declare("ggml_transpose", _pointer, _pointer, _pointer)
contiguous = _declare("ggml_cont", _pointer, _pointer, _pointer)
sum_rows = _declare("ggml_sum_rows", _pointer, _pointer, _pointer)
get_rows = _declare("ggml_get_rows", _pointer, _pointer, _pointer, _pointer)
set_rows = _declare("ggml_set_rows", _pointer, _pointer, _pointer, _pointer, _pointer)
"""(memory, tensor, rows, numbers)"""
new_allocator = _declare("ggml_gallocr_new", _pointer, _pointer)
free_allocator = _declare("ggml_gallocr_free", None, _pointer)
free_backend = _declare("ggml_backend_free", None, _pointer)


def new_graph_memory(num_tensors: int) -> int:
    """Memory for the descriptions of that many tensors and one graph; none for their data."""
    return _init(_InitParams(num_tensors * _tensor_overhead() + _graph_overhead(), None, True))


def new_input(memory: int, type_: str, shape: Sequence[int]) -> int:
    """A tensor whose data is written before the graph runs; `shape` in ggml's order, the contiguous dimension first."""
    address = _new_4d(memory, type_code(type_), *shape, *[1] * (MAX_DIMS - len(shape)))
    _set_input(address)
    return address


def new_alias(memory: int, address: int) -> int:
    """A tensor over another one's data: a source that does not bring the graph along that computed it."""
    tensor = tensor_at(address)
    alias = _new_4d(memory, tensor.type, *tensor.ne)
    copy = tensor_at(alias)
    copy.nb, copy.data, copy.buffer = tensor.nb, tensor.data, tensor.buffer
    return alias


def mark_output(address: int) -> None:
    """Keep a tensor's data until the graph is over."""
    _set_output(address)


def reshape(memory: int, address: int, shape: Sequence[int]) -> int:
    """The same values in another shape, the contiguous dimension first."""
    return _reshape_4d(memory, address, *shape, *[1] * (MAX_DIMS - len(shape)))


def hadamard(memory: int, matrix: int, address: int) -> int:
    """Walsh-Hadamard transform of rows as long as the matrix; devices that know it do not look into the matrix."""
    product = mul_mat(memory, matrix, address)
    _set_hint(product, HADAMARD_HINT)
    return product


class Rope(NamedTuple):
    """A plain rotary embedding, without YaRN: the arguments of `ggml_rope_ext` that it depends on."""

    num_rotated: int
    """Values of each head that are rotated, the first ones."""
    mode: int
    """GGML_ROPE_TYPE_NORMAL or _NEOX: whether neighbours are pairs, or value *i* and *i* + half."""
    num_trained_positions: int
    base: float
    scale: float


_PLAIN_MODES = (0, 2)
_NO_YARN = (0.0, 1.0)
"""ext_factor and attn_factor."""


def rope_of(node: Tensor) -> Rope | None:
    """What a ROPE node does, as `ggml_rope_impl` (ggml.c) writes it down; None: something else than plain rotation."""
    integers = list(node.op_params)
    floats = np.frombuffer(bytes(node.op_params), np.float32).tolist()
    _, num_rotated, mode, _, num_trained_positions = integers[:5]
    if mode not in _PLAIN_MODES or tuple(floats[7:9]) != _NO_YARN or any(integers[11:16]):
        return None
    return Rope(num_rotated, mode, num_trained_positions, floats[5], floats[6])


def rotate(memory: int, address: int, positions: int, rope: Rope, factors: int | None) -> int:
    """RoPE of (head_dim, rows, positions): all rows of one position are turned by it."""
    return _rope(memory, address, positions, factors, *rope, *_NO_YARN, 0.0, 0.0)


def soft_max(memory: int, address: int, scale: float) -> int:
    """Softmax over the first dimension of `scale` × the tensor."""
    return _soft_max(memory, address, None, scale, 0.0)


def device_of(address: int) -> int:
    """The device whose memory holds a tensor."""
    buffer = tensor_at(address).buffer
    device = _buffer_type_device(_buffer_type(buffer)) if buffer else None
    return device or _device_by_type(_CPU)  # plain CPU memory names no device


def gpu() -> int | None:
    """The first GPU that this build can use, if there is one."""
    return _device_by_type(_GPU) or None


def device_description(device: int) -> str:
    """What it calls itself, e.g. "NVIDIA H100 80GB HBM3"."""
    return _device_description(device).decode(errors="replace")


def new_backend(device: int, num_threads: int) -> int:
    """A backend that computes on a device beside llama.cpp's own; `num_threads` where it is a CPU."""
    backend = _device_init(device, None)
    if not backend:
        raise LibraryMismatch("ggml cannot open the device of the KV cache a second time")
    set_threads = _registry_function(_device_registry(device), b"ggml_backend_set_n_threads")
    if set_threads:
        ctypes.CFUNCTYPE(None, _pointer, _int)(set_threads)(backend, num_threads)
    return backend


def allocator_of(backend: int) -> int:
    return new_allocator(_default_buffer_type(backend))


def supports(backend: int, address: int) -> bool:
    """Whether a backend can compute a node."""
    return _supports(backend, address)


def allocate_graph(allocator: int, graph: int) -> bool:
    return _allocate_graph(allocator, graph)


def compute_graph(backend: int, graph: int) -> bool:
    """Whether it went through; returns when it is done."""
    return _compute_graph(backend, graph) == 0


def new_host_buffer(device: int, num_bytes: int) -> tuple[int, memoryview] | None:
    """Memory that a device copies from without a detour (pinned), and its buffer for `free_buffer`; None where the
    device has no such thing, or there is no more of it."""
    type_ = _host_buffer_type(device)
    buffer = _allocate_buffer(type_, num_bytes) if type_ else None
    if not buffer:
        return None
    return buffer, memoryview((ctypes.c_uint8 * num_bytes).from_address(_buffer_base(buffer))).cast("B")


# --- self-check of the struct layout --------------------------------------------------------------------------


_new_2d = _declare("ggml_new_tensor_2d", _pointer, _pointer, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_view_1d = _declare("ggml_view_1d", _pointer, _pointer, _pointer, ctypes.c_int64, _size)
_set_name = _declare("ggml_set_name", _pointer, _pointer, ctypes.c_char_p)


def layout_faults() -> list[str]:
    """What differs between `Tensor` and the loaded library; empty when every field reads as ggml means it."""
    faults: list[str] = []
    if llama.__version__ != LIBRARY_VERSION:
        faults.append(f"llama-cpp-python is {llama.__version__}, expected {LIBRARY_VERSION}")
    context = _init(_InitParams(1 << 20, None, False))
    try:
        faults += [
            f"ggml_tensor.{name} reads {got!r}, expected {want!r}" for name, got, want in _probe(context) if got != want
        ]
    finally:
        free_graph_memory(context)
    return faults


def _probe(context: int) -> Iterator[tuple[str, object, object]]:
    f32 = type_code("f32")
    left, right = _new_2d(context, f32, 6, 5), _new_2d(context, f32, 6, 5)
    _set_name(left, b"steep-probe")
    total, view = add(context, left, right), _view_1d(context, left, 3, 8)
    t, s, v = tensor_at(left), tensor_at(total), tensor_at(view)
    yield "type", t.type, f32
    yield "ne", list(t.ne), [6, 5, 1, 1]
    yield "nb", list(t.nb), [4, 24, 120, 120]
    yield "name", t.name, b"steep-probe"
    yield "name (address)", left + Tensor.name.offset, _get_name(left)
    yield "data", t.data, _get_data(left)
    yield "op", _op_name(s.op), b"ADD"
    yield "op (none)", t.op, NO_OP
    yield "src", list(s.src)[:3], [left, right, None]
    yield "view_src", v.view_src, left
    yield "view_offs", v.view_offs, 8


# --- batches --------------------------------------------------------------------------------------------------


class TokenRun(NamedTuple):
    """Tokens for consecutive positions of one sequence."""

    token_ids: Sequence[int]
    first_position: int
    sequence: int
    want_logits: bool = False
    """Whether the run's last token yields logits."""

    @property
    def mean_position(self) -> float:
        return self.first_position + len(self.token_ids) / 2


def make_batch(runs: Sequence[TokenRun], *, want_all: bool = False) -> tuple[Any, list[Any]]:
    """A `llama_batch` of all runs, and the arrays that must outlive its use; `want_all`: every token has an output."""
    total = sum(len(run.token_ids) for run in runs)
    tokens, positions = np.empty(total, np.int32), np.empty(total, np.int32)
    sequences, logits = np.empty(total, np.int32), np.full(total, want_all, np.int8)
    start = 0
    for run in runs:
        stop = start + len(run.token_ids)
        tokens[start:stop] = run.token_ids
        positions[start:stop] = np.arange(run.first_position, run.first_position + stop - start)
        sequences[start:stop] = run.sequence
        if stop > start:
            logits[stop - 1] |= run.want_logits
        start = stop
    counts = np.ones(total, np.int32)
    pointers = sequences.ctypes.data + 4 * np.arange(total, dtype=np.uint64)
    batch = llama.llama_batch(
        total,
        _pointer_to(tokens, llama.llama_token),
        None,
        _pointer_to(positions, llama.llama_pos),
        _pointer_to(counts, ctypes.c_int32),
        _pointer_to(pointers, _any_ctypes.POINTER(llama.llama_seq_id)),
        _pointer_to(logits, ctypes.c_int8),
    )
    return batch, [tokens, positions, sequences, counts, pointers, logits]


def _pointer_to(array: npt.NDArray[Any], element: Any) -> Any:
    return _any_ctypes.cast(array.ctypes.data, _any_ctypes.POINTER(element))


# --- callbacks and strings ------------------------------------------------------------------------------------


EvalCallback = Callable[[int, bool, object], bool]
AbortCallback = Callable[[object], bool]
LogCallback = Callable[[int, bytes, object], None]


def eval_callback(function: Callable[[int, bool], bool]) -> Any:
    """`function(tensor_address, ask)` as a `ggml_backend_sched_eval_callback`; keep the result referenced."""
    callback: EvalCallback = lambda tensor, ask, _: function(tensor, ask)  # noqa: E731 - typed, unlike an argument
    return llama.ggml_backend_sched_eval_callback(callback)


def abort_callback(function: Callable[[], bool]) -> Any:
    """`function()` as a `ggml_abort_callback`: true stops the running graph; keep the result referenced."""
    callback: AbortCallback = lambda _: function()  # noqa: E731
    return llama.ggml_abort_callback(callback)


def log_callback(function: Callable[[int, str], None]) -> Any:
    """`function(level, text)` as a `llama_log_callback`; keep the result referenced."""
    callback: LogCallback = lambda level, text, _: function(level, text.decode(errors="replace"))  # noqa: E731
    return llama.llama_log_callback(callback)


def metadata_of(model: Any) -> dict[str, str]:
    """All GGUF metadata of a loaded model that llama.cpp can print as text (arrays come shortened)."""

    def text(getter: Any, index: int) -> str:
        buffer = ctypes.create_string_buffer(256)
        length = getter(model, index, buffer, len(buffer))
        if length >= len(buffer):
            buffer = ctypes.create_string_buffer(length + 1)
            getter(model, index, buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    keys, values = llama.llama_model_meta_key_by_index, llama.llama_model_meta_val_str_by_index
    return {text(keys, i): text(values, i) for i in range(llama.llama_model_meta_count(model))}


def tokenize(vocabulary: Any, text: bytes, add_special: bool, parse_special: bool) -> list[int]:
    capacity = len(text) + 16
    buffer = (llama.llama_token * capacity)()
    count = llama.llama_tokenize(vocabulary, text, len(text), buffer, capacity, add_special, parse_special)
    if count < 0:
        buffer = (llama.llama_token * -count)()
        count = llama.llama_tokenize(vocabulary, text, len(text), buffer, -count, add_special, parse_special)
    return list(buffer[:count])


def token_bytes(vocabulary: Any, token_id: int, special: bool) -> bytes:
    """The bytes a token stands for; not always whole UTF-8 characters."""
    buffer = ctypes.create_string_buffer(64)
    length = llama.llama_token_to_piece(vocabulary, token_id, buffer, len(buffer), 0, special)
    if length < 0:
        buffer = ctypes.create_string_buffer(-length)
        length = llama.llama_token_to_piece(vocabulary, token_id, buffer, len(buffer), 0, special)
    return buffer.raw[:length]


# --- sequence states, logits and embeddings -------------------------------------------------------------------


def get_sequence_state(context: Any, sequence: int, capacity: int | None = None) -> bytearray:
    """The state blob of one sequence.

    With `capacity` llama.cpp stops writing where the buffer ends (it throws inside and returns 0): the cheap way
    to read only the first bytes, the list of cells.
    """
    size = capacity or llama.llama_state_seq_get_size(context, sequence)
    blob = bytearray(size)
    view = (ctypes.c_uint8 * size).from_buffer(blob)
    written = llama.llama_state_seq_get_data(context, view, size, sequence)
    if capacity is None and written != size:
        raise LibraryMismatch(f"the state of sequence {sequence} has {written} bytes, llama.cpp announced {size}")
    return blob


def set_sequence_state(context: Any, sequence: int, blob: bytes | bytearray | memoryview) -> bool:
    """Load a state blob into an empty sequence; only for blobs that `engine.kv_layout` has checked."""
    source = np.frombuffer(blob, np.uint8)
    address = ctypes.cast(source.ctypes.data, ctypes.POINTER(ctypes.c_uint8))
    return llama.llama_state_seq_set_data(context, address, source.size, sequence) == source.size


def last_logits(context: Any, num_tokens: int) -> FloatArray:
    """A copy of the logits of the last output of the last batch: (num_tokens of the vocabulary,) float32."""
    return np.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), (num_tokens,)).copy()


def logits_at(context: Any, row: int, num_tokens: int) -> FloatArray:
    """A copy of the logits of a row of the last batch that was to yield some: (num_tokens of the vocabulary,)."""
    address = llama.llama_get_logits_ith(context, row)
    if not address:
        raise LibraryMismatch(f"llama.cpp has no logits for row {row} of the last batch")
    return np.ctypeslib.as_array(address, (num_tokens,)).copy()


def sequence_embedding(context: Any, sequence: int, dimension: int) -> FloatArray:
    """A copy of the pooled vector of one sequence of the last batch: (dimension,) float32."""
    address = llama.llama_get_embeddings_seq(context, sequence)
    if not address:
        raise LibraryMismatch(f"llama.cpp has no pooled vector for sequence {sequence}")
    return np.ctypeslib.as_array(address, (dimension,)).copy()
