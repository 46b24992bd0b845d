from pathlib import Path

import gguf
import pytest

from app.errors import SettingsInvalid
from app.models.discovery import model_at
from app.models.fit import Memory, Verdict, facts_of, fit_of, memory_now
from app.models.listed import ListedModel
from app.settings import Settings
from engine.kv_size import ROW_BYTES
from tests.app.models.gguf_files import put_header, put_model

GB = 1 << 30


def test_the_facts_of_a_model_are_read_from_its_header(tmp_path: Path):
    facts = facts_of(model_at(put_model(tmp_path / "tiny-0.1B-F32.gguf")), "f16")
    assert facts
    assert (facts.architecture, facts.num_parameters, facts.quantisation) == ("llama", "0.1B", "F32")
    assert (facts.context_length, facts.kv_bytes_per_token) == (4096, 2 * (16 + 16) * 2)
    assert (facts.blendable, facts.reason) == (True, "")


def test_a_model_that_cannot_be_blended_says_why(tmp_path: Path):
    path = put_header(tmp_path / "a.gguf", architecture="mamba", mamba__block_count=2, split__count=2)
    facts = facts_of(model_at(path), "f16")
    assert facts
    assert (facts.blendable, facts.reason) == (False, "it has recurrent memory")
    assert (facts.context_length, facts.kv_bytes_per_token) == (None, 0)


def test_an_embedding_model_keeps_no_keys_and_values(tmp_path: Path):
    facts = facts_of(model_at(put_model(tmp_path / "a.gguf", pooling=gguf.PoolingType.MEAN)), "f16")
    assert facts
    assert (facts.blendable, facts.reason, facts.kv_bytes_per_token) == (False, "it is an embedding model", 0)


def test_the_size_of_every_kv_type_that_can_be_set_is_known():
    with pytest.raises(SettingsInvalid) as told:
        Settings(kv_type="none")
    assert f"must be one of {', '.join(ROW_BYTES)};" in str(told.value)


def test_where_there_is_no_file_there_are_no_facts():
    assert facts_of(ListedModel("a", None, 5), "f16") is None


@pytest.mark.parametrize(
    ("available", "total", "verdict", "words"),
    [
        (16, 32, Verdict.FITS, "fits: needs 4.8 GB of the 17.2 GB of RAM that are free"),
        (4, 16, Verdict.TIGHT, "tight: needs 4.8 GB, and 4.3 GB of 17.2 GB of RAM are free now"),
        (3, 4, Verdict.TOO_LARGE, "too large: needs 4.8 GB, and this machine has 4.3 GB of RAM"),
    ],
)
def test_the_verdict_says_what_is_needed_and_what_there_is(available: int, total: int, verdict: Verdict, words: str):
    fit = fit_of(4 * GB, None, Settings(), Memory(total * GB, available * GB))
    assert (fit.verdict, fit.words) == (verdict, words)


def test_a_longer_conversation_needs_more_but_none_longer_than_the_model_knows(tmp_path: Path):
    facts, memory = facts_of(model_at(put_model(tmp_path / "a.gguf")), "f16"), memory_now()
    assert facts

    def needed(window_tokens: int) -> int:
        return fit_of(0, facts, Settings(window_tokens=window_tokens), memory).needed_bytes

    assert needed(4000) - needed(3000) == 1000 * facts.kv_bytes_per_token
    assert needed(1 << 20) == needed(4096)
