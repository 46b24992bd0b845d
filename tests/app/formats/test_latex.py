import pytest

from app.formats.latex import extract


def passages(source: str) -> list[tuple[str, str | None]]:
    document = extract(source.encode(), "paper.tex")
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def texts(source: str) -> list[str]:
    return [text for text, _ in passages(source)]


PAPER = r"""\documentclass{article}
\newcommand{\x}{no}
\title[Short]{On \emph{Tides} in K\"oln\thanks{Nobody}}
\author{Änne \and Ben}
\begin{document}
\maketitle

Before all.
\section{First \texttt{part}}\label{sec:first}
Text of it.

More.
\subsection*{Deeper}

Deep.
\section{Last}
The end.
\end{document}
Behind it.
"""


def test_paragraphs_stand_in_their_sections():
    first = "First part"
    assert passages(PAPER) == [
        ("On Tides in Köln\nÄnne, Ben", None),
        ("Before all.", None),
        ("\\section{First \\texttt{part}}\\label{sec:first}\nText of it.", first),
        ("More.", first),
        ("\\subsection*{Deeper}", f"{first} > Deeper"),
        ("Deep.", f"{first} > Deeper"),
        ("\\section{Last}\nThe end.", "Last"),
    ]


def test_the_title_is_that_of_the_document():
    assert extract(PAPER.encode(), "paper.tex").title == "On Tides in Köln"
    assert extract(rb"\titleformat{x} words", "paper.tex").title == "paper"


def test_a_file_without_a_preamble_is_read_whole():
    assert passages("\\chapter{One}\n\nwords") == [("\\chapter{One}", "One"), ("words", "One")]


def test_comments_are_left_out():
    source = "100\\% sure % not read\n% not read\n  % not read\nand \\\\% not read\nso on"
    assert texts(source) == ["100\\% sure \nand \\\\\nso on"]
    assert texts("a\n\\begin{comment}\nnot read\n\\end{comment}\nb") == ["a", "b"]


def test_what_is_shown_as_it_stands_keeps_its_signs():
    source = '\\begin{lstlisting}\nx = 5 % 2\n\n\\section{no}\n\\"a\n\\end{lstlisting}\n\\verb|50%\\"a|'
    assert passages(source) == [(source, None)]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"K\"oln", "Köln"),
        (r"K{\"o}ln", "Köln"),
        (r"K\"{o}ln", "Köln"),
        (r"na\"{\i}ve", "naïve"),
        (r"\'etude, \`a la", "étude, à la"),
        (r"\c{c}a, Dvo\v r\'ak, \r{A}", "ça, Dvořák, Å"),
        (r"Stra\ss e, Stra{\ss}e, Stra\ss{}e", "Straße, Straße, Straße"),
        (r"\o re, \OE uvre", "øre, Œuvre"),
        (r"a\\'b", r"a\\'b"),
        (r"\cite{c} \vec{x} \url{u} \int \left \"", r"\cite{c} \vec{x} \url{u} \int \left \""),
    ],
)
def test_accents_are_written_out(source: str, text: str):
    assert texts(source) == [text]


def test_a_short_environment_is_one_passage():
    source = "\\begin{itemize}\n\\item a\n\n\\begin{x}\n\nb\n\\end{x}\n\n\\item c\n\\end{itemize}"
    assert texts(f"before\n\n{source}\n\nafter") == ["before", source, "after"]


@pytest.mark.parametrize("name", ["itemize", "verbatim"])
def test_a_long_environment_is_read_paragraph_by_paragraph(name: str):
    paragraph = "word " * 300
    source = f"\\begin{{{name}}}\n{paragraph}\n\n{paragraph}\n\\end{{{name}}}"
    assert len(texts(source)) == 2


def test_an_environment_that_is_never_closed_ends_nothing():
    assert texts("\\begin{a}\n\nb\n\n\\end{c}\n\nd") == ["\\begin{a}", "b", "\\end{c}", "d"]
    assert texts("\\begin{a}\n\n\\begin{b}\n\nc\n\n\\end{a}\n\nd") == ["\\begin{a}\n\n\\begin{b}\n\nc\n\n\\end{a}", "d"]


def test_instructions_for_the_page_are_no_passages():
    assert texts("\\tableofcontents\n\\newpage\n\nwords\n\n\\bibliographystyle{plain}\n\\bibliography{all}") == [
        "words"
    ]


def test_slides_are_sections():
    source = "\\section{A}\n\\begin{frame}{One}\nx\n\n\\end{frame}\n\\begin{frame}\n\\frametitle{Two}\ny\n\\end{frame}"
    assert {heading for _, heading in passages(source)} >= {"A > One", "A > Two"}


@pytest.mark.parametrize(
    ("title", "words"),
    [
        (r"The \(n\)-th \textbf{\emph{x}}~y", "The n -th x y"),
        (r"\LaTeX{} \& {\bf friends}", "LaTeX & friends"),
        (r"A {B} \footnote{no {no}} C", "A B C"),
        (r"of $\alpha$", "of $alpha$"),
        ("open", "open"),
    ],
)
def test_a_heading_is_its_words(title: str, words: str):
    assert passages(f"\\section{{{title}}}\n")[0][1] == words


def test_a_heading_that_is_never_closed_is_its_line():
    assert passages("\\section{One\ntext")[0][1] == "One"


def test_escaped_backslashes_begin_no_command():
    assert texts("a \\\\section{no} \\\\begin{x}\n\nb") == ["a \\\\section{no} \\\\begin{x}", "b"]
