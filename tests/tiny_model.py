"""A model of 1 MB with random weights: it makes no sense, but runs through all of the engine in milliseconds.

Llama architecture (plain attention, rotary positions), one token per byte. The output weights of everything but small
letters and the space are zero, so that answers are printable and go on up to their limit.
"""

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

_NUM_HEADS, _NUM_KV_HEADS, _HEAD_DIM, _FEED_FORWARD = 4, 2, 16, 128
_DIM = _NUM_HEADS * _HEAD_DIM


@dataclass(frozen=True)
class Turning:
    """How keys are turned by their positions; the least that llama.cpp transforms when it quantises rows are heads of
    64 values."""

    architecture: str = "llama"
    """`llama` pairs neighbours, the others value *i* with *i* + half. `stablelm` can leave values alone, and
    `hunyuan-dense` scales its keys after it has turned them."""
    num_heads: int = _NUM_HEADS
    num_kv_heads: int = _NUM_KV_HEADS
    head_dim: int = _HEAD_DIM
    num_rotated: int = _HEAD_DIM
    factors: tuple[float, ...] = ()
    """Divisors of the frequencies, half as many as values are rotated."""


WIDE = Turning(num_heads=2, num_kv_heads=1, head_dim=64, num_rotated=64)
"""Heads that are whole blocks of quantised rows."""

_SPECIAL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
_SPACE = "\u2581"
"""How SentencePiece vocabularies write the space; without this token a space would be three bytes."""

_TOKENS = (*_SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), _SPACE)
_LETTERS = [len(_SPECIAL) + byte for byte in range(ord("a"), ord("z") + 1)] + [_TOKENS.index(_SPACE)]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_tiny_model(
    path: Path,
    *,
    context_length: int = 4096,
    num_layers: int = 4,
    chat_template: str | None = CHAT_TEMPLATE,
    pooling: gguf.PoolingType | None = None,
    turning: Turning = Turning(),
) -> Path:
    """Write the model; the same arguments give the same bytes. With `pooling` it is an embedding model."""
    writer = gguf.GGUFWriter(path, turning.architecture)
    writer.add_name("tiny")
    _add_shape(writer, context_length, num_layers, turning)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _add_vocabulary(writer, chat_template)
    _add_weights(writer, num_layers, turning)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: gguf.GGUFWriter, context_length: int, num_layers: int, turning: Turning) -> None:
    writer.add_context_length(context_length)
    writer.add_embedding_length(_DIM)
    writer.add_block_count(num_layers)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(turning.num_heads)
    writer.add_head_count_kv(turning.num_kv_heads)
    if turning.head_dim != _HEAD_DIM:
        writer.add_key_length(turning.head_dim)
        writer.add_value_length(turning.head_dim)
    writer.add_rope_dimension_count(turning.num_rotated)
    writer.add_layer_norm_rms_eps(1e-5)
    if turning.architecture == "stablelm":
        writer.add_layer_norm_eps(1e-5)


def _add_vocabulary(writer: gguf.GGUFWriter, chat_template: str | None) -> None:
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, *[kind.CONTROL] * (len(_SPECIAL) - 1), *[kind.BYTE] * 256, kind.NORMAL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(_TOKENS))
    writer.add_token_scores([0.0] * len(_TOKENS))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(_SPECIAL.index("<s>"))
    writer.add_eos_token_id(_SPECIAL.index("</s>"))
    writer.add_unk_token_id(_SPECIAL.index("<unk>"))
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def _add_weights(writer: gguf.GGUFWriter, num_layers: int, turning: Turning) -> None:
    num_query_values, num_key_values = turning.num_heads * turning.head_dim, turning.num_kv_heads * turning.head_dim
    random = np.random.default_rng(20)

    def matrix(num_rows: int, num_columns: int) -> np.ndarray:
        # Twice the usual spread: attention with peaks, so that a token's context shows in what follows it.
        return (random.standard_normal((num_rows, num_columns)) * 2 / num_columns**0.5).astype(np.float32)

    def add(name: str, weights: np.ndarray) -> None:
        writer.add_tensor(f"{name}.weight", weights)

    def add_norm(name: str) -> None:
        add(name, np.ones(_DIM, np.float32))
        if turning.architecture == "stablelm":
            writer.add_tensor(f"{name}.bias", np.zeros(_DIM, np.float32))

    add("token_embd", matrix(len(_TOKENS), _DIM))
    for layer in range(num_layers):
        block = f"blk.{layer}"
        add_norm(f"{block}.attn_norm")
        add(f"{block}.attn_q", matrix(num_query_values, _DIM))
        add(f"{block}.attn_k", matrix(num_key_values, _DIM))
        add(f"{block}.attn_v", matrix(num_key_values, _DIM))
        add(f"{block}.attn_output", matrix(_DIM, num_query_values))
        if turning.architecture in ("qwen3", "hunyuan-dense"):
            scales = np.linspace(0.5, 1.5, turning.head_dim, dtype=np.float32)
            add(f"{block}.attn_q_norm", scales)
            add(f"{block}.attn_k_norm", scales)
        add_norm(f"{block}.ffn_norm")
        add(f"{block}.ffn_gate", matrix(_FEED_FORWARD, _DIM))
        add(f"{block}.ffn_up", matrix(_FEED_FORWARD, _DIM))
        add(f"{block}.ffn_down", matrix(_DIM, _FEED_FORWARD))
    if turning.factors:
        add("rope_freqs", np.asarray(turning.factors, np.float32))
    add_norm("output_norm")
    output = np.zeros((len(_TOKENS), _DIM), np.float32)
    output[_LETTERS] = matrix(len(_LETTERS), _DIM)
    add("output", output)
