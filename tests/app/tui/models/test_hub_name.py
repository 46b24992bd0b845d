"""What people write for a model of the hub."""

import pytest

from app.tui.models.hub_name import HubName, complaint_about, hub_name


@pytest.mark.parametrize(
    ("text", "repository", "wanted"),
    [
        ("Qwen/Qwen3-8B-GGUF", "Qwen/Qwen3-8B-GGUF", ""),
        ("  o/n  ", "o/n", ""),
        ("o/n/", "o/n", ""),
        ("o/n/a-Q4_K_M.gguf", "o/n", "a-Q4_K_M.gguf"),
        ("o/n/folder/a.gguf", "o/n", "folder/a.gguf"),
        ("o/n:Q8_0", "o/n", "Q8_0"),
        ("hf.co/o/n:Q8_0", "o/n", "Q8_0"),
        ("https://huggingface.co/o/n", "o/n", ""),
        ("https://huggingface.co/o/n/tree/main", "o/n", ""),
        ("https://huggingface.co/o/n/blob/main/a.gguf", "o/n", "a.gguf"),
        ("https://huggingface.co/o/n/resolve/main/folder/a.gguf?download=true", "o/n", "folder/a.gguf"),
    ],
)
def test_names_files_quantisations_and_addresses_are_understood(text: str, repository: str, wanted: str):
    assert hub_name(text) == HubName(repository, wanted)
    assert complaint_about(text) is None


@pytest.mark.parametrize("text", ["", "qwen", "a model/of mine", "https://example.org/o/n", "/o/n", "o/ä"])
def test_anything_else_is_told_how_names_are_written(text: str):
    assert hub_name(text) is None
    assert "OWNER/NAME/FILE.gguf" in (complaint_about(text) or "")


def test_a_name_reads_as_it_can_be_written_again():
    assert [str(HubName("o/n")), str(HubName("o/n", "a.gguf"))] == ["o/n", "o/n/a.gguf"]
