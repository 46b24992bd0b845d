"""Which models make vectors, and how, by their metadata."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from engine.embedding_model import MAX_WINDOW, Pooling, embedding_traits, is_embedding_model
from engine.errors import ModelUnusable
from engine.gguf_header import GgufHeader, Scalar, read_header
from tests.tiny_model import write_tiny_model


def header(architecture: str, name: str = "", file: str = "model.gguf", **metadata: Scalar) -> GgufHeader:
    keys = {f"{architecture}.{key}": value for key, value in metadata.items()}
    return GgufHeader(Path(file), 0, 0, {"general.architecture": architecture, "general.name": name, **keys})


@pytest.mark.parametrize(
    "model",
    [header("bert"), header("nomic-bert"), header("gemma-embedding"), header("qwen3", pooling_type=3)],
    ids=lambda model: model.architecture,
)
def test_encoders_and_models_with_a_pooling_make_vectors(model: GgufHeader) -> None:
    assert is_embedding_model(model)


@pytest.mark.parametrize(
    "model",
    [header("qwen3"), header("llama", pooling_type=0), header("bert", pooling_type=4), header("qwen3", pooling_type=4)],
    ids=lambda model: model.architecture,
)
def test_chat_models_and_rankers_make_none(model: GgufHeader) -> None:
    assert not is_embedding_model(model)
    with pytest.raises(ModelUnusable, match=r"^model.gguf is no embedding model: it is"):
        embedding_traits(model)


@pytest.mark.parametrize(
    ("said", "pooling"), [({}, Pooling.MEAN), ({"pooling_type": 0}, Pooling.MEAN), ({"pooling_type": 2}, Pooling.FIRST)]
)
def test_the_pooling_is_the_models_own_or_the_mean(said: dict[str, Scalar], pooling: Pooling) -> None:
    assert embedding_traits(header("bert", **said)).pooling is pooling


def test_the_window_is_the_models_own_up_to_a_limit() -> None:
    assert embedding_traits(header("bert", context_length=256)).max_tokens == 256
    assert embedding_traits(header("bert", context_length=32768)).max_tokens == MAX_WINDOW
    assert embedding_traits(header("bert")).max_tokens == 512


@pytest.mark.parametrize(
    ("model", "question", "text"),
    [
        (header("bert", "all-MiniLM-L6-v2"), "", ""),
        (header("nomic-bert", "nomic-embed-text-v1.5"), "search_query: ", "search_document: "),
        (header("nomic-bert", "Snowflake Arctic Embed M Long"), "Represent this sentence", ""),
        (header("bert", "Multilingual E5 Base"), "query: ", "passage: "),
        (header("bert", "multilingual-e5-large-instruct"), "Instruct: ", ""),
        (header("bert", file="e5_small_v2.Q8_0.gguf"), "query: ", "passage: "),
        (header("bert", "bge-small-en-v1.5"), "Represent this sentence", ""),
        (header("bert", "bge-m3"), "", ""),
        (header("qwen3", "Qwen3 Embedding 0.6B", pooling_type=3), "Instruct: ", ""),
        (header("gemma-embedding"), "task: search result | query: ", "title: none | text: "),
    ],
    ids=lambda value: value.metadata["general.name"] or value.architecture if isinstance(value, GgufHeader) else None,
)
def test_models_that_are_known_to_want_prefixes_get_them(model: GgufHeader, question: str, text: str) -> None:
    traits = embedding_traits(model)
    assert traits.document_prefix == text
    assert traits.query_prefix.startswith(question)
    assert bool(traits.query_prefix) == bool(question)


def test_a_header_without_its_vocabulary_tells_as_much(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "tiny.gguf", pooling=gguf.PoolingType.LAST)
    whole, short = read_header(path), read_header(path, vocabulary=False)
    assert any(key.startswith("tokenizer.") for key in whole.metadata)
    assert not any(key.startswith("tokenizer.") for key in short.metadata)
    assert embedding_traits(short) == embedding_traits(whole)


def test_a_header_is_read_to_its_end_where_the_vocabulary_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_tokenizer_model("gpt2")
    writer.add_block_count(1)
    writer.add_pooling_type(gguf.PoolingType.LAST)
    writer.add_tensor("any", np.zeros(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert is_embedding_model(read_header(path, vocabulary=False))
