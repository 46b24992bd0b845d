"""Texts become the vectors that the models were trained to make: proved against a BERT of forty lines, in numpy."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from engine import bindings
from engine.embedder import BATCH_TOKENS, Embedder
from engine.errors import ModelUnusable
from engine.model import Model
from tests import minilm
from tests.minilm import FloatArray
from tests.tiny_model import write_tiny_model

SENTENCES = (
    "The lighthouse keeper is called Ines Calloway.",
    "Who looks after the light?",
    "ÜBERMÄßIGE Größe, café au lait & naïve Zoë!",
    "In 1998 it cost $12.50 (or so); e.g. [CLS] isn't a token here.",
    "東京 is a city. Supercalifragilisticexpialidocious, isn't it?",
    "snowman ☃ and \u200b nothing",
)


@pytest.fixture(scope="module")
def source() -> Path:
    folder = minilm.folder()
    if folder is None:
        pytest.skip(f"{minilm.PACKAGE} is not installed")
    return folder


@pytest.fixture(scope="module")
def embedder(embedding_model: Path) -> Iterator[Embedder]:
    with Embedder(embedding_model, num_threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def tiny_embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """A decoder that reads left to right, and whose last token stands for the text."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    with Embedder(write_tiny_model(path, context_length=256, pooling=gguf.PoolingType.LAST), num_threads=1) as opened:
        yield opened


# --- WordPiece and BERT, written down


def is_word_by_itself(character: str) -> bool:
    is_ascii_sign = character.isascii() and not character.isalnum()
    return is_ascii_sign or unicodedata.category(character).startswith("P") or "\u4e00" <= character <= "\u9fff"


def words(text: str) -> list[str]:
    spaced = ""
    for character in unicodedata.normalize("NFD", text.lower()):
        if unicodedata.category(character) in ("Mn", "Cf"):
            continue
        spaced += f" {character} " if is_word_by_itself(character) else character
    return spaced.split()


def pieces_of(word: str, ids: dict[str, int]) -> list[int]:
    found: list[int] = []
    start = 0
    while start < len(word):
        mark = "##" if start else ""
        ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in ids)
        if (end := next(ends, None)) is None:
            return [ids["[UNK]"]]
        found.append(ids[mark + word[start:end]])
        start = end
    return found


def word_piece(text: str, source: Path) -> list[int]:
    ids = {piece: number for number, piece in enumerate(minilm.vocabulary(source))}
    return [ids["[CLS]"], *(number for word in words(text) for number in pieces_of(word, ids)), ids["[SEP]"]]


class Bert:
    """The forward pass of the weights as they were published, in float32."""

    def __init__(self, source: Path) -> None:
        self._weights = dict(minilm.tensors(source))

    def vector(self, token_ids: list[int]) -> FloatArray:
        places = self._weights["position_embd.weight"][: len(token_ids)]
        x = self._weights["token_embd.weight"][token_ids] + places + self._weights["token_types.weight"][0]
        x = self._norm("token_embd_norm", x)
        for layer in range(minilm.NUM_LAYERS):
            block = f"blk.{layer}"
            x = self._norm(f"{block}.attn_output_norm", x + self._attention(block, x))
            inner = self._linear(f"{block}.ffn_up", x)
            gelu = inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3))) / 2
            x = self._norm(f"{block}.layer_output_norm", x + self._linear(f"{block}.ffn_down", gelu))
        mean = x.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _attention(self, block: str, x: FloatArray) -> FloatArray:
        shape = (len(x), minilm.NUM_HEADS, minilm.DIM // minilm.NUM_HEADS)
        q, k, v = (self._linear(f"{block}.attn_{name}", x).reshape(shape).swapaxes(0, 1) for name in "qkv")
        scores = q @ k.swapaxes(1, 2) / np.sqrt(shape[2])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = weights / weights.sum(axis=-1, keepdims=True) @ v
        return self._linear(f"{block}.attn_output", mixed.swapaxes(0, 1).reshape(x.shape))

    def _linear(self, name: str, x: FloatArray) -> FloatArray:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, name: str, x: FloatArray) -> FloatArray:
        centred = x - x.mean(axis=-1, keepdims=True)
        unit = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + minilm.NORM_EPSILON)
        return unit * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


# --- the tests


@pytest.mark.model
def test_texts_are_cut_into_the_tokens_of_word_piece(embedding_model: Path, source: Path) -> None:
    with Model(embedding_model, vocabulary_only=True) as model:
        for text in SENTENCES:
            token_ids = bindings.tokenize(model.vocabulary, text.encode(), add_special=True, parse_special=False)
            assert token_ids == word_piece(text, source), text


@pytest.mark.model
def test_the_vectors_are_those_of_the_published_weights(embedder: Embedder, source: Path) -> None:
    bert, vectors = Bert(source), embedder.embed(SENTENCES)
    assert vectors.shape == (len(SENTENCES), embedder.dimension) == (len(SENTENCES), minilm.DIM)
    for text, vector in zip(SENTENCES, vectors, strict=True):
        assert vector @ bert.vector(word_piece(text, source)) > 0.999, text


@pytest.mark.model
def test_a_question_is_nearest_to_the_text_that_answers_it(embedder: Embedder) -> None:
    texts = ["The lamp at the harbour is tended by Ines.", "Herring pies are sold at noon.", "Cats sleep all day."]
    scores = embedder.embed_documents(texts) @ embedder.embed_query("Who looks after the lighthouse?")
    assert scores.argmax() == 0


@pytest.mark.model
def test_what_else_is_in_a_batch_changes_nothing(embedder: Embedder) -> None:
    texts = [f"{'tide ' * number} and {number} boats" for number in range(60)]
    together = embedder.embed(texts)
    alone = np.stack([embedder.embed([text])[0] for text in texts[::12]])
    assert np.sum(together[::12] * alone, axis=1).min() > 0.9999


@pytest.mark.model
def test_a_text_longer_than_the_window_is_the_average_of_its_windows(embedder: Embedder) -> None:
    long = ["tide", "boat", "lamp"] * 400  # a token each: 1,200 in three windows of 510
    third = len(long) // 3
    windows = embedder.embed([" ".join(long[start : start + third]) for start in range(0, len(long), third)])
    average = windows.sum(axis=0)
    assert embedder.embed([" ".join(long)])[0] @ average / np.linalg.norm(average) > 0.9999


@pytest.mark.model
def test_each_window_stands_behind_the_prefix(embedder: Embedder) -> None:
    long = " ".join(["tide"] * 1000)  # with the prefix of 2 tokens: two windows of 508
    window = embedder.embed([" ".join(["tide"] * 500)], prefix="query: ")[0]
    assert embedder.embed([long], prefix="query: ")[0] @ window > 0.9999
    assert embedder.embed([long])[0] @ window < 0.9999


@pytest.mark.model
def test_a_text_that_just_fills_the_window_is_read_at_once(embedder: Embedder, source: Path) -> None:
    text = " ".join(["tide", "boat"] * 255)
    assert len(word_piece(text, source)) == embedder.max_tokens == BATCH_TOKENS
    assert embedder.embed([text])[0] @ Bert(source).vector(word_piece(text, source)) > 0.999


@pytest.mark.model
def test_nothing_and_empty_texts_have_their_shapes(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, minilm.DIM)
    assert np.linalg.norm(embedder.embed([""])[0]) == pytest.approx(1)


def test_a_decoder_makes_vectors_too_and_forgets_the_text_before(tiny_embedder: Embedder) -> None:
    texts = ["the ferry to Grindlow", "a cat called Biscuit", "the", "b" * 200, "c" * 300]
    first, again = tiny_embedder.embed(texts), tiny_embedder.embed(texts[::-1])[::-1]
    assert np.sum(first * again, axis=1).min() > 0.9999
    assert np.linalg.norm(first, axis=1) == pytest.approx(1)
    assert (first @ first.T)[np.triu_indices(len(texts), 1)].max() < 0.999


def test_a_model_that_makes_no_vectors_is_refused(tiny_model: Path) -> None:
    with pytest.raises(ModelUnusable, match="no embedding model: it is llama"):
        Embedder(tiny_model)


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    embedder = Embedder(write_tiny_model(tmp_path / "tiny.gguf", pooling=gguf.PoolingType.MEAN))
    embedder.close()
    embedder.close()
