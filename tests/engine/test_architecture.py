"""Which models may be blended, by their metadata; and what happens with one that may not."""

from pathlib import Path

import pytest

from engine.architecture import blendability
from engine.gguf_header import GgufHeader, Scalar, read_header
from engine.requests import AnswerDone, AnswerRequest, ContextChunk, Mode
from tests.engine.conftest import open_session
from tests.fakes import MemoryShelf


def header(architecture: str, **metadata: Scalar) -> GgufHeader:
    keys = {f"{architecture}.{key.replace('__', '.')}": value for key, value in metadata.items()}
    return GgufHeader(Path("model.gguf"), 0, 0, {"general.architecture": architecture, **keys})


def test_plain_attention_with_rope_may_be_blended() -> None:
    assert blendability(header("llama", rope__freq_base=1e4)).possible
    assert blendability(header("llama", rope__scaling__type="linear", rope__scaling__attn_factor=1.0)).possible


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (header("gemma3", attention__sliding_window=512), "sliding window"),
        (header("mamba2", ssm__state_size=128), "recurrent"),
        (header("rwkv7"), "recurrent"),
        (header("newhybrid", ssm__state_size=128), "recurrent"),
        ({"qwen2vl.rope.dimension_sections.length": 4}, "M-RoPE"),
        (header("gpt2"), "rotary"),
        (header("anything", attention__max_alibi_bias=8.0), "rotary"),
        (header("qwen2", rope__scaling__type="yarn"), "stretched"),
        (header("phi3", rope__scaling__type="longrope", rope__scaling__attn_factor=1.19), "stretched"),
        (header("deepseek2", attention__kv_lora_rank=512), "latent"),
        (header("bert-like", attention__causal=False), "causal"),
    ],
)
def test_everything_else_is_recognised_with_a_reason(model: GgufHeader | dict[str, Scalar], word: str) -> None:
    if isinstance(model, dict):
        model = GgufHeader(Path("m.gguf"), 0, 0, {"general.architecture": "qwen2vl", **model})
    verdict = blendability(model)
    assert not verdict.possible
    assert word in verdict.reason


@pytest.mark.model
def test_a_sliding_window_model_is_recognised_and_answers_exactly_with_a_notice(gemma_model: Path) -> None:
    verdict = blendability(read_header(gemma_model))
    assert not verdict.possible
    assert "sliding window" in verdict.reason
    shelf = MemoryShelf()
    with open_session(gemma_model, shelf) as session:
        chunk = ContextChunk(1, session.frame.chunk("The cat is called Biscuit."))
        steeped = session.steep(chunk)
        done = session.answer(AnswerRequest("What is the cat called?", (chunk,), max_answer_tokens=4), lambda _: None)
    assert isinstance(done, AnswerDone)
    assert done.mode is Mode.EXACT
    assert done.uses[0].num_computed == len(chunk.token_ids)
    assert "sliding window" in done.notices[0]
    assert steeped.num_bytes == 0
    assert shelf.blobs == {}
