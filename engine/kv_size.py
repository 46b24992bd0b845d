"""How much memory K and V of one token take, told by the header alone. Pure.

Without the native library, whose import costs half a second: lists of models ask this of each.
"""

from engine.gguf_header import GgufHeader

ROW_BYTES = {"f16": (2, 1), "q8_0": (34, 32), "q4_0": (18, 32), "f32": (4, 1)}
"""ggml type of a row → bytes of a block, and its values: ggml's `type_size` and `blck_size`."""

QUANTISED = frozenset({"q8_0", "q4_0"})
"""Types that round what a model computes, so far that answers may become others."""


def exact_kv_type(kv_type: str) -> str:
    """The type of the rows whose answers those over rows of this type are held against: what the rows cost counts."""
    return "f16" if kv_type in QUANTISED else kv_type


def kv_bytes_per_token(header: GgufHeader, kv_type: str) -> int:
    """Bytes of K and V of one token over all layers, from the metadata (0 if it does not say)."""

    def number(key: str) -> int:
        value = header.of_architecture(key)
        return int(value) if isinstance(value, int | float) else 0

    num_layers, num_heads = number("block_count"), number("attention.head_count")
    if not num_layers or not num_heads:
        return 0
    num_kv_heads = number("attention.head_count_kv") or num_heads
    key_length = number("attention.key_length") or number("embedding_length") // num_heads
    value_length = number("attention.value_length") or key_length
    block_bytes, block_values = ROW_BYTES[kv_type]
    return num_layers * num_kv_heads * (key_length + value_length) * block_bytes // block_values
