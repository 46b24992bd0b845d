import pytest

from app.formats.html import extract


def passages(html: str) -> list[tuple[str, str | None]]:
    document = extract(html.encode(), "page.html")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def texts(html: str) -> list[str]:
    return [text for text, _ in passages(html)]


def test_only_the_main_part_is_read():
    page = """<title>T</title><style>s{}</style><body><header>h</header><nav>n</nav>
        <main><header><h1>Top</h1></header><p>text<script>x()</script><aside>a</aside><form>f</form></main>
        <footer>f</footer>"""
    assert passages(page) == [("Top", "Top"), ("text", "Top")]


def test_a_page_without_a_main_part_is_read_without_its_frame():
    assert texts("<body><header>h</header><nav>n</nav><p>text</p><footer>f</footer>") == ["text"]


def test_a_lone_article_is_the_main_part_and_several_are_not():
    assert texts("<p>around</p><article>one</article>") == ["one"]
    assert texts("<p>around</p><article>one</article><article>two</article>") == ["around", "one", "two"]


def test_a_page_inside_a_form_is_read_whole():
    assert texts("<form><p>everything</p></form>") == ["everything"]


def test_hidden_elements_and_comments_are_left_out():
    assert texts("<p hidden>no</p><!-- no --><p>yes</p>") == ["yes"]


def test_spaces_collapse_and_entities_are_resolved():
    assert texts("<p>a &amp;\n  b&nbsp;<b>c</b>d&eacute;<br>e</p>") == ["a & b cdé\ne"]


def test_headings_make_the_breadcrumb():
    page = "<h1>A</h1><h2>B <i>b</i></h2><p>one</p><h3>C</h3><h2>D</h2><p>two</p>"
    assert ("one", "A > B b") in passages(page)
    assert ("C", "A > B b > C") in passages(page)
    assert ("two", "A > D") in passages(page)


def test_list_items_are_lines_of_one_passage():
    page = "<p>before</p><ul><li><p>a</p><p>a2</p></li><li>b<ol><li>x<li>y</ol></li><li></li><li>c</ul>after"
    assert texts(page) == ["before", "- a\na2\n- b\n1. x\n2. y\n- c", "after"]


def test_table_rows_are_lines_with_their_cells_apart():
    page = """<table><caption>prices</caption><tr><th>tea</th><th>price</th></tr>
        <tr><td><p>green</p></td><td>2<br>florins</td></tr></table>"""
    assert texts(page) == ["prices\ntea | price\ngreen | 2 florins"]


def test_a_table_that_arranges_the_page_is_no_table():
    page = "<table><tr><td><h1>A</h1></td><td><p>one</p><p>two</p></td></tr></table>"
    assert passages(page) == [("A", "A"), ("one", "A"), ("two", "A")]


def test_preformatted_text_keeps_its_lines():
    assert texts("x<pre>\n def f():\n\n   <b>y</b>\n</pre>z") == ["x", " def f():\n\n   y", "z"]


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> a\n b </title><h1>c</h1>", "a b"),
        ("<p>p</p><h1>c <b>d</b></h1>", "c d"),
        ("<p>p</p>", "page"),
    ],
)
def test_the_title_is_the_best_that_the_page_has(page: str, title: str):
    assert extract(page.encode(), "page.html").title == title


@pytest.mark.parametrize(
    "data",
    [
        '<meta charset="utf-8"><p>Größe'.encode(),
        '<meta charset="iso-8859-1"><p>Größe'.encode("cp1252"),
        '<meta http-equiv="Content-Type" content="text/html; charset=cp850"><p>Größe'.encode("cp850"),
        '<meta charset="latin1"><p>Größe'.encode("utf-8-sig"),
        '<meta charset="utf-16"><p>Größe'.encode(),
        '<meta charset="nonsense"><p>Größe'.encode(),
    ],
)
def test_the_charset_is_found(data: bytes):
    assert extract(data, "page.html").text == "Größe"


def test_a_page_nested_deeper_than_python_recurses_is_read():
    assert texts("<div>" * 3000 + "deep") == ["deep"]
