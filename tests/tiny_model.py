"""A model of 1 MB with random weights: it makes no sense, but runs through all of the engine in milliseconds.

Llama architecture (plain attention, rotary positions), one token per byte. The output weights of everything but small
letters and the space are zero, so that answers are printable and go on up to their limit.
"""

from pathlib import Path

import gguf
import numpy as np

_NUM_HEADS, _NUM_KV_HEADS, _HEAD_DIM, _FEED_FORWARD = 4, 2, 16, 128
_DIM = _NUM_HEADS * _HEAD_DIM

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
) -> Path:
    """Write the model; the same arguments give the same bytes. With `pooling` it is an embedding model."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    _add_shape(writer, context_length, num_layers)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _add_vocabulary(writer, chat_template)
    _add_weights(writer, num_layers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: gguf.GGUFWriter, context_length: int, num_layers: int) -> None:
    writer.add_context_length(context_length)
    writer.add_embedding_length(_DIM)
    writer.add_block_count(num_layers)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_NUM_HEADS)
    writer.add_head_count_kv(_NUM_KV_HEADS)
    writer.add_rope_dimension_count(_HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)


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


def _add_weights(writer: gguf.GGUFWriter, num_layers: int) -> None:
    random = np.random.default_rng(20)

    def matrix(num_rows: int, num_columns: int) -> np.ndarray:
        # Twice the usual spread: attention with peaks, so that a token's context shows in what follows it.
        return (random.standard_normal((num_rows, num_columns)) * 2 / num_columns**0.5).astype(np.float32)

    def add(name: str, weights: np.ndarray) -> None:
        writer.add_tensor(f"{name}.weight", weights)

    ones = np.ones(_DIM, np.float32)
    add("token_embd", matrix(len(_TOKENS), _DIM))
    for layer in range(num_layers):
        block = f"blk.{layer}"
        add(f"{block}.attn_norm", ones)
        add(f"{block}.attn_q", matrix(_DIM, _DIM))
        add(f"{block}.attn_k", matrix(_NUM_KV_HEADS * _HEAD_DIM, _DIM))
        add(f"{block}.attn_v", matrix(_NUM_KV_HEADS * _HEAD_DIM, _DIM))
        add(f"{block}.attn_output", matrix(_DIM, _DIM))
        add(f"{block}.ffn_norm", ones)
        add(f"{block}.ffn_gate", matrix(_FEED_FORWARD, _DIM))
        add(f"{block}.ffn_up", matrix(_FEED_FORWARD, _DIM))
        add(f"{block}.ffn_down", matrix(_DIM, _FEED_FORWARD))
    add("output_norm", ones)
    output = np.zeros((len(_TOKENS), _DIM), np.float32)
    output[_LETTERS] = matrix(len(_LETTERS), _DIM)
    add("output", output)
