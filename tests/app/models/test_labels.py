import gguf
import pytest

from app.models.labels import FILE_TYPES, num_parameters, quantisation


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("qwen2.5-coder-0.5b-instruct-q4_k_m", "Q4_K_M"),
        ("Qwen3-4B-UD-Q4_K_XL", "UD-Q4_K_XL"),
        ("Meta-Llama-3-8B.IQ2_XXS", "IQ2_XXS"),
        ("gpt-oss-20b-MXFP4", "MXFP4"),
        ("all-MiniLM-L6-v2-fp16", "F16"),
        ("Q8_0/model-BF16", "BF16"),
        ("llama3.2:3b", ""),
        ("sq4_0x", ""),
    ],
)
def test_how_weights_are_stored_is_read_from_the_name(name: str, label: str):
    assert quantisation(name, {}) == label


def test_metadata_says_what_the_name_does_not():
    assert quantisation("llama3.2:3b", {"general.file_type": 15}) == "Q4_K_M"
    assert quantisation("x-UD-Q4_K_XL", {"general.file_type": 15}) == "UD-Q4_K_XL"
    assert quantisation("x", {"general.file_type": 999}) == quantisation("x", {}) == ""


def test_the_file_types_are_those_of_the_library():
    for code, label in FILE_TYPES.items():
        name = gguf.LlamaFileType(code).name
        assert name in (f"MOSTLY_{label}", f"ALL_{label}"), code


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Qwen2.5-Coder-0.5B-Instruct", "0.5B"),
        ("Mixtral-8x7B-v0.1", "8x7B"),
        ("gemma-3-270m-it", "270M"),
        ("phi3:14b-medium", "14B"),
        ("bert-base", ""),
        ("rev4bis", ""),
    ],
)
def test_the_number_of_parameters_is_read_from_the_name(name: str, label: str):
    assert num_parameters(name, {}) == label


def test_metadata_knows_the_number_of_parameters_better():
    assert num_parameters("x-7b", {"general.size_label": "6.7B"}) == "6.7B"
