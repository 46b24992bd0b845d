import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.formats.data.structured_data import extract

PROSE = "many words " * 250


def passages(data: str, name: str) -> list[tuple[str, str | None]]:
    document = extract(data.encode(), name)
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def headings(data: str, name: str) -> list[str | None]:
    return [heading for _, heading in passages(data, name)]


def text_under(heading: str | None, data: str, name: str) -> str:
    (text,) = [text for text, found in passages(data, name) if found == heading]
    return text


@pytest.mark.parametrize("name", ["a.json", "a.geojson", "a.jsonl", "a.yaml", "a.yml"])
def test_short_data_is_one_passage_of_the_source(name: str):
    assert passages('{"a": 1,\n "b": [2, 3]}\n', name) == [('{"a": 1,\n "b": [2, 3]}', None)]


def test_the_title_is_the_file_name():
    assert extract(b"{}", "package.json").title == "package.json"


SHOP = {
    "name": "shop",
    "services": [{"name": f"till {number}", "note": PROSE, "limits": {"cpu": number}} for number in range(2)],
    "labels": {"team": "blue"},
}


@pytest.mark.parametrize("indent", [None, 2])
def test_long_json_is_read_member_by_member_under_its_key_path(indent: int | None):
    assert headings(json.dumps(SHOP, indent=indent), "a.json") == [
        None,
        "services > till 0",
        "services > till 0 > note",
        "services > till 0 > limits",
        "services > till 1",
        "services > till 1 > note",
        "services > till 1 > limits",
        "labels",
    ]


def test_what_opens_and_closes_a_container_goes_with_its_first_and_last_member():
    source = json.dumps(SHOP)
    assert text_under("services > till 0", source, "a.json") == '  "services": [\n    {\n      "name": "till 0",'
    assert text_under("services > till 1 > limits", source, "a.json") == '      "limits": {"cpu": 1}\n    }\n  ],'
    assert text_under("labels", source, "a.json") == '  "labels": {"team": "blue"}\n}'


def test_json_with_lines_stays_as_it_is():
    source = json.dumps(SHOP, indent=1)
    assert extract(source.encode(), "a.json").text == source


def test_json_in_one_line_is_laid_out_without_touching_its_values():
    source = json.dumps(SHOP | {"exact": [1.10, "a,{b}: c"]}, separators=(",", ":"))
    text = extract(source.encode(), "a.json").text
    assert text.count("\n") > 10
    assert json.loads(text) == json.loads(source)
    assert "1.1" in text


def test_records_go_by_their_name_or_else_by_their_number():
    records = [{"text": PROSE}, {"id": 7, "text": PROSE}, {"title": "T", "id": 8, "text": PROSE}]
    for name, source in (("a.json", json.dumps(records)), ("a.jsonl", "\n".join(map(json.dumps, records)))):
        assert headings(source, name) == ["[0] > text", "7", "7 > text", "T", "T > text"]


def test_short_records_are_put_together():
    source = "\n".join(json.dumps({"id": number, "text": "word " * 10}) for number in range(50))
    found = passages(source, "a.jsonl")
    assert 10 <= len(found) <= 15
    assert all(text.startswith('{"id"') and text.endswith('"}') and len(text) <= 400 for text, _ in found)


def test_lines_that_are_no_json_do_not_break_the_records_around_them():
    source = '{"id": 1}\nnot json {\n' + json.dumps({"id": 2, "text": PROSE}) + '\n{"id": 3, "te'
    assert [text for text, _ in passages(source, "a.jsonl")] == [
        '{"id": 1}\nnot json {',
        '{"id": 2,',
        f'"text": "{PROSE}"}}',
        '{"id": 3, "te',
    ]


def test_json_with_comments_and_spare_commas_is_read():
    source = f'// settings\n{{\n  "a": "{PROSE}", // one, {{two\n  /* "no": 1, */ b: [1, 2,],\n}}\n'
    assert [heading for heading in headings(source, "a.json") if heading] == ["a", "b"]


@pytest.mark.parametrize("source", ['{"a": [1, 2}', "not json at all", '{"a": "open', "}", '["a",\n\n'])
def test_broken_json_is_plain_text(source: str):
    assert "".join(text for text, _ in passages(source, "a.json")).split() == source.split()


def test_long_lists_of_numbers_and_blobs_are_read_at_their_beginning_only():
    data = {
        "name": "Lake",
        "line": [[number / 7, number / 3] for number in range(500)],
        "icon": "iVBOR" * 400,
        "note": PROSE,
    }
    for indent in (None, 1):
        source = json.dumps(data, indent=indent)
        assert headings(source, "a.geojson") == [None, "line", "icon", "note"]
        assert len(text_under("line", source, "a.geojson")) < 250
        assert len(text_under("icon", source, "a.geojson")) < 250
        assert text_under("note", source, "a.geojson").count("many") == 250


@pytest.mark.parametrize("source", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_data_nested_deeper_than_python_recurses_is_read(source: str):
    assert passages(source, "a.json")


def test_a_key_cannot_forge_a_breadcrumb_or_hold_what_cannot_be_stored():
    source = json.dumps({"a > b\ud800\0": {"c": PROSE}})
    assert headings(source, "a.json") == ["a b\ufffd\ufffd > c"]


COMPOSE = f"""# The shop
version: "3"

services:
  # front
  web:
    image: nginx
    notes: |
      # kept: as it is
      {PROSE}
  "data base":
    image: postgres
steps:
- name: build
  run: {PROSE}
- run: test
"""


def test_long_yaml_is_read_key_by_key_under_its_key_path():
    assert headings(COMPOSE, "a.yaml") == [
        None,
        "services > web",
        "services > web > notes",
        "services > data base",
        "steps > build",
        "steps > build > run",
        "steps",
    ]


def test_comments_of_yaml_go_with_what_they_describe():
    assert passages(COMPOSE, "a.yaml")[:2] == [
        ('# The shop\nversion: "3"', None),
        ("services:\n  # front\n  web:\n    image: nginx", "services > web"),
    ]
    source = f"a: {PROSE}\n\n# Of b,\n# and of\n# nothing else.\nb:\n  c: 1\n"
    assert passages(source, "a.yaml")[1] == ("# Of b,\n# and of\n# nothing else.\nb:\n  c: 1", "b")


def test_text_in_yaml_is_not_taken_for_keys():
    source = f"a: 1\nscript: |-\n  first: {PROSE}\n  second:\n    third: 3\n"
    assert headings(source, "a.yaml") == [None, "script"]


def test_documents_of_one_yaml_file_are_apart():
    source = f"kind: A\ntext: {PROSE}\n---\nkind: B\n---\nkind: C\n"
    assert [text for text, _ in passages(source, "a.yaml")][-1] == "---\nkind: B\n---\nkind: C"


def test_yaml_written_as_json_is_read_as_json():
    assert headings(json.dumps(SHOP, indent=1), "a.yaml") == headings(json.dumps(SHOP, indent=1), "a.json")


def test_text_that_is_no_yaml_is_read_whole():
    source = "{{ if .x }}\n" + "some: [text\n" * 300
    assert "\n".join(text for text, _ in passages(source, "a.yml")) == source.strip()


TOML = '''# All of it.
title = "x"

# The first.
[tool.first]
text = """
[not.a.table]
"""
matrix = [
[1, 2],
]
[[tool."second one"]] # with a note
key = '[neither]'
'''


def test_toml_is_read_table_by_table():
    assert passages(TOML, "a.toml") == [
        ('# All of it.\ntitle = "x"', None),
        (TOML[TOML.index("# The") : TOML.index("[[tool")].rstrip(), "tool.first"),
        (TOML[TOML.index("[[tool") :].rstrip(), 'tool."second one"'),
    ]


FRAGMENTS = '{ } [ ] "a" " : , 1 \n // /* */ \\ "name":1 k: -_ __ # """ [t]\n ---\n'
SOURCES = st.lists(
    st.sampled_from([*(fragment.replace("_", " ") for fragment in FRAGMENTS.split(" ")), "word " * 500]), max_size=30
).map("".join)


@pytest.mark.parametrize("name", ["a.yaml", "a.toml"])
def test_comments_alone_are_read_however_long_they_are(name: str):
    source = "# word and word\n" * 400
    document = extract(source.encode(), name)
    inside = "".join(document.text[passage.start : passage.end] for passage in document.passages)
    assert "".join(inside.split()) == "".join(source.split())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["a.json", "a.jsonl", "a.yaml", "a.toml"]), SOURCES)
def test_no_word_of_the_source_is_lost(name: str, source: str):
    document = extract(source.encode(), name)
    inside = "".join(document.text[passage.start : passage.end] for passage in document.passages)
    assert "".join(inside.split()) == "".join(source.split())
