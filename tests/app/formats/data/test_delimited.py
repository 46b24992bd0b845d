import csv

import pytest

from app.formats.data import delimited
from app.formats.data.delimited import extract
from app.formats.errors import NotText


def texts(data: str, name: str = "table.csv") -> list[str]:
    document = extract(data.encode(), name)
    return [document.text[passage.start : passage.end] for passage in document.passages]


def test_each_row_says_what_its_values_are():
    assert texts("name,age\nAnna,31\nBen,40\n") == [
        "Columns: name | age",
        "name: Anna\nage: 31",
        "name: Ben\nage: 40",
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["table.csv", "table.tsv"])
def test_the_separator_is_found(separator: str, name: str):
    table = "name,town\nAnna,Rome\nBen,Oslo\n".replace(",", separator)
    assert texts(table, name)[1:] == ["name: Anna\ntown: Rome", "name: Ben\ntown: Oslo"]


def test_decimal_commas_separate_nothing():
    assert texts("name;height\nAnna;1,71\nBen;1,80\nCem;1,92\n")[1] == "name: Anna\nheight: 1,71"


def test_the_first_row_tells_most_about_the_separator():
    uneven = "name;height\n" + "Anna;1,71\n" * 20 + "Ben;1,80;tall\n" * 2
    assert texts(uneven)[1] == "name: Anna\nheight: 1,71"


def test_lists_inside_cells_separate_nothing():
    assert texts("id,tags\n1,a;b\n2,c;d\n3,e;f\n")[1] == "id: 1\ntags: a;b"


def test_quoted_cells_may_hold_separators_quotes_and_line_ends():
    assert texts('name,note\nAnna,"red, ""blue""\nand green"\n')[1] == 'name: Anna\nnote: red, "blue"\nand green'


@pytest.mark.parametrize("quoted", ['"open', '6" pipe'])
def test_a_quote_left_open_does_not_swallow_the_rest(quoted: str):
    assert texts(f"name,size\nAnna,{quoted}\nBen,2\n")[1:] == [f"name: Anna\nsize: {quoted}", "name: Ben\nsize: 2"]


def test_a_cell_longer_than_the_csv_module_takes_is_read():
    long = "word " * (csv.field_size_limit() // 4)
    assert any(long[:100] in text for text in texts(f'name,note\nAnna,"{long}"\n'))


def test_empty_cells_are_left_out_and_cells_beyond_the_head_are_numbered():
    assert texts("name,age,town\nAnna,,Rome\nBen,40,Oslo,extra\n")[1:] == [
        "name: Anna\ntown: Rome",
        "name: Ben\nage: 40\ntown: Oslo\ncolumn 4: extra",
    ]


def test_lines_above_the_table_stay():
    assert texts("Members of the club\n\nname,age\nAnna,31\nBen,40\nCem,29\n")[:3] == [
        "Members of the club",
        "Columns: name | age",
        "name: Anna\nage: 31",
    ]


def test_a_table_of_numbers_has_no_head():
    assert texts("1,2.5,3\n4,5.5,6\n") == ["1 | 2.5 | 3\n4 | 5.5 | 6"]


def test_years_may_be_a_head():
    assert texts("country,2023,2024\nChile,1,2\nPeru,3,4\n")[1] == "country: Chile\n2023: 1\n2024: 2"


def test_a_line_of_excel_may_name_the_separator():
    assert texts("sep=|\nname|age\nAnna|31\n") == ["Columns: name | age", "name: Anna\nage: 31"]


def test_text_that_is_no_table_is_read_as_plain_text():
    prose = "It rained, all day.\nWe stayed in.\nThen, in the evening, it stopped."
    assert texts(prose) == [prose]
    assert texts("one\ntwo\n\nthree\n") == ["one\ntwo", "three"]


def test_a_blank_table_has_no_passages():
    assert texts(" \n\n") == []
    assert texts("sep=;\n") == []


def test_a_long_column_name_is_cut_in_the_rows_but_whole_at_the_top():
    name = "How often do you " + "really " * 20 + "walk"
    head, row = texts(f"id,{name}\n1,daily\n")
    assert name in head
    assert len(row) < 110


def test_rows_behind_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delimited, "MAX_NUM_CHARS", 100)
    rows = "".join(f"{number},word\n" for number in range(1000))
    passages = texts("id,text\n" + rows)
    assert len(passages) < 12
    assert passages[-1] == f"(The table goes on: {1000 - len(passages) + 2} more rows were left out.)"


def test_the_encoding_of_spreadsheets_is_read():
    document = extract("name\tage\nÄnne\t31\n".encode("utf-16"), "table.csv")
    assert "name: Änne" in document.text
    assert document.title == "table"


def test_binary_data_is_refused():
    with pytest.raises(NotText):
        extract(b"PK\x03\x04\x00\x00", "table.csv")
