"""JSON, YAML and TOML: members, records and tables as passages, their headings being the key paths.

The document's text is the decoded source, except that JSON without line ends is laid out first. What is shorter than
a chunk stays whole; longer objects and lists are read part by part. Left out are long lists of numbers and long
strings without a space (pictures, keys): nobody asks for them. Broken JSON is read as plain text.
"""

from pathlib import PurePath

from app.formats import plain_text
from app.formats.data import json_source, toml_source, yaml_source
from app.formats.data.outline import Entry, passages
from app.formats.decoding import decode
from app.formats.extracted import ExtractedDocument

_LINES_OF_RECORDS = {".jsonl", ".ndjson"}


def extract(data: bytes, name: str) -> ExtractedDocument:
    """Raises NotText. The title is the file name: it often says more with its suffix, as in package.json."""
    text = decode(data, name)
    suffix = PurePath(name).suffix.lower()
    if suffix in {".json", ".geojson"}:
        text = json_source.laid_out(text)
    entries = _entries(text, suffix)
    if entries is None:
        return plain_text.extract(data, name)
    return ExtractedDocument(name, text, passages(text, entries))


def _entries(text: str, suffix: str) -> list[Entry] | None:
    if suffix == ".toml":
        return toml_source.entries(text)
    # YAML may be written as JSON.
    entries = json_source.entries(text)
    if entries is None and suffix in {".yaml", ".yml"}:
        return yaml_source.entries(text)
    if entries is None and suffix in _LINES_OF_RECORDS:
        return json_source.entries_of_lines(text)
    return entries
