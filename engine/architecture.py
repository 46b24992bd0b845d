"""Which models may be blended: decided from GGUF metadata, before anything is loaded. Pure.

Blending needs K and V rows that depend on a token's position only through RoPE, sit one cell per token, and are
all visible to later tokens. That is plain attention with one-dimensional RoPE. The rest is answered in exact mode:

* sliding-window attention: the state of a sequence drops cells outside the window, and masks differ per layer;
* recurrent and hybrid memory: a state is a running summary, it cannot be joined from parts;
* M-RoPE: a position is three numbers, a shift is not one;
* no RoPE (ALiBi, learned positions): rows cannot be moved, or the mask is not 0 / −inf;
* stretched RoPE with an attention factor (YaRN, LongRoPE): llama.cpp applies the factor to K once more at every shift,
  to the rows that do not move, too (measured: 1.14 times longer each time for YaRN by 4);
* latent attention (MLA): not proved here yet; encoders and diffusion models: no causal cache.

What metadata cannot tell is checked again on the loaded model (`engine.self_check`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.gguf_header import GgufHeader, Scalar

_RECURRENT = frozenset(
    {
        "mamba",
        "mamba2",
        "rwkv6",
        "rwkv6qwen2",
        "rwkv7",
        "arwkv7",
        "jamba",
        "falcon-h1",
        "plamo2",
        "nemotron_h",
        "granitehybrid",
        "lfm2",
        "lfm2moe",
        "qwen3next",
        "qwen35",
        "qwen35moe",
        "kimi-linear",
    }
)
"""Architectures of llama.cpp's llm_arch_is_recurrent / llm_arch_is_hybrid (src/llama-arch.cpp)."""

_NO_ROPE = frozenset(
    {
        "gpt2",
        "mpt",
        "bloom",
        "starcoder",
        "refact",
        "jais",
        "bert",
        "jina-bert-v2",
        "t5",
        "t5encoder",
        "wavtokenizer-dec",
    }
)
"""Architectures whose rope type is NONE (llama_model_rope_type, src/llama-model.cpp)."""


@dataclass(frozen=True, slots=True)
class Blendability:
    """Whether blending may be tried, and if not, why, as a clause for the user."""

    possible: bool
    reason: str = ""


def blendability(header: GgufHeader) -> Blendability:
    """Judge one model by its metadata."""
    reason = _obstacle(header.architecture, header.metadata)
    return Blendability(not reason, reason)


def _obstacle(architecture: str, metadata: Mapping[str, Scalar]) -> str:
    def number(key: str) -> float:
        value = metadata.get(f"{architecture}.{key}", 0)
        return value if isinstance(value, int | float) else 0

    def has(key: str) -> bool:
        return any(f"{architecture}.{key}{suffix}" in metadata for suffix in ("", ".length"))

    if number("attention.sliding_window") > 0 or has("attention.sliding_window_pattern"):
        return f"it attends through a sliding window ({number('attention.sliding_window'):.0f} tokens)"
    if architecture in _RECURRENT or has("ssm.state_size") or has("wkv.head_size"):
        return "it has recurrent memory"
    if has("rope.dimension_sections"):
        return "it uses multi-dimensional positions (M-RoPE)"
    if architecture in _NO_ROPE or number("attention.max_alibi_bias") > 0:
        return "its positions are not rotary (RoPE)"
    if metadata.get(f"{architecture}.rope.scaling.type") == "yarn" or number("rope.scaling.attn_factor") not in (0, 1):
        return "its positions are stretched with an attention factor (YaRN)"
    if has("attention.kv_lora_rank"):
        return "it keeps latent keys and values (MLA)"
    if metadata.get(f"{architecture}.attention.causal") is False or has("decoder_start_token_id"):
        return "it is not a causal decoder"
    return ""
