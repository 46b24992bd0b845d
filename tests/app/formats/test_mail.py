import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.formats import mail
from app.formats.errors import Damaged, NotText, UnreadableDocument
from app.formats.mail import extract


def message(body: str = "Hello.\n\nBye.\n", **headers: str) -> EmailMessage:
    made = EmailMessage()
    for name, value in ({"From": "Änne <anne@example.org>", "Subject": "Tides"} | headers).items():
        made[name] = value
    made.set_content(body, cte="quoted-printable")
    return made


def passages(data: bytes, name: str = "a.eml") -> list[tuple[str, str | None]]:
    document = extract(data, name)
    return [(document.text[passage.start : passage.end], passage.heading) for passage in document.passages]


def texts(data: bytes, name: str = "a.eml") -> list[str]:
    return [text for text, _ in passages(data, name)]


def test_a_message_is_its_head_and_its_paragraphs_under_its_subject():
    date = "Mon, 01 Jan 2024 10:00:00 +0100"
    sent = message(To="ben@example.org", Date=date, Subject="Größe > all")
    head = f"From: Änne <anne@example.org>\nTo: ben@example.org\nDate: {date}\nSubject: Größe > all"
    assert passages(sent.as_bytes()) == [(head, "Größe all"), ("Hello.", "Größe all"), ("Bye.", "Größe all")]


def test_the_title_is_the_subject():
    assert extract(message().as_bytes(), "a.eml").title == "Tides"
    assert extract(b"From: a@example.org\n\ntext", "letter.eml").title == "letter"


def test_plain_text_is_preferred():
    sent = message()
    sent.add_alternative("<p>other</p>", subtype="html")
    assert texts(sent.as_bytes())[1:] == ["Hello.", "Bye."]
    sent.set_payload(list(reversed(list(sent.iter_parts()))))
    assert texts(sent.as_bytes())[1:] == ["Hello.", "Bye."]


def test_html_is_read_where_the_plain_text_is_blank():
    sent = message(" \n")
    sent.add_alternative("<h1>News</h1><p>caf\u00e9</p><script>no</script>", subtype="html", charset="iso-8859-1")
    assert passages(sent.as_bytes())[1:] == [("News", "Tides > News"), ("café", "Tides > News")]


def test_a_section_of_one_body_does_not_reach_into_the_next():
    sent = EmailMessage()
    sent["Subject"] = "Two"
    sent.make_mixed()
    for part, subtype in (("<h1>First</h1>", "html"), ("Second.", "plain")):
        inner = EmailMessage()
        inner.set_content(part, subtype=subtype)
        sent.attach(inner)
    assert passages(sent.as_bytes())[1:] == [("First", "Two > First"), ("Second.", "Two")]


def test_the_charset_of_the_mail_counts_more_than_that_of_its_page():
    page = "Subject: x\nContent-Type: text/html; charset=cp1252\n\n<meta charset=utf-8><p>Tür".encode("cp1252")
    assert texts(page)[1:] == ["Tür"]


@pytest.mark.parametrize("charset", ["no-such-charset", "base64", '"', "utf-8"])
def test_text_in_an_unknown_charset_is_guessed(charset: str):
    data = f"Subject: x\nContent-Type: text/plain; charset={charset}\n\nTür".encode()
    assert texts(data)[1:] == ["Tür"]


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("=?utf-8?b?VMO8cg==?=", "Tür"),
        ("=?iso-8859-1?q?T=FCr?= und =?utf-8?q?_Tor?=", "Tür und Tor"),
        ("Tür", "Tür"),
        ("=?no-such?q?T=C3=BCr?=", "Tür"),
        ("=?utf-8?b?a?=", "=?utf-8?b?a?="),
        ("a\n  b", "a b"),
    ],
)
def test_headers_are_decoded(subject: str, words: str):
    assert extract(f"Subject: {subject}\n\ntext".encode(), "a.eml").title == words


def test_a_header_in_an_old_encoding_is_read():
    assert extract("Subject: Tür\n\ntext".encode("cp1252"), "a.eml").title == "Tür"


def test_attachments_are_named_and_not_read():
    sent = message()
    sent.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Rechnüng.pdf")
    sent.add_attachment("inner words", filename="notes.txt")
    sent.add_attachment(message(Subject="Forwarded"))
    head, *rest = texts(sent.as_bytes())
    assert head.endswith("\nAttachments: Rechnüng.pdf, notes.txt, Forwarded")
    assert rest == ["Hello.", "Bye."]


def test_a_picture_in_the_page_is_no_attachment():
    sent = message("x")
    sent.add_alternative('<img src="cid:a">', subtype="html")
    page = sent.get_payload(1)
    assert isinstance(page, EmailMessage)
    page.add_related(b"png", maintype="image", subtype="png", cid="<a>")
    assert "Attachments" not in texts(sent.as_bytes())[0]


def test_a_file_that_is_no_mail_is_plain_text():
    assert passages(b"just words\n") == [("just words", None)]
    assert passages(b"just words\n", "a.mbox") == [("just words", None)]


def test_binary_data_is_refused():
    with pytest.raises(NotText):
        extract(b"\xd0\xcf\x11\xe0\x00\x00", "a.eml")


def test_each_message_of_a_mailbox_is_a_section(tmp_path: Path):
    box = mailbox.mbox(tmp_path / "a.mbox")
    box.add(message("From here on.\n\nFrom 5 to 6.\n", Subject="One"))
    box.add(message("x\n", Subject=""))
    box.close()
    document = extract((tmp_path / "a.mbox").read_bytes(), "a.mbox")
    assert document.title == "a"
    assert [(document.text[one.start : one.end], one.heading) for one in document.passages] == [
        ("From: Änne <anne@example.org>\nSubject: One", "One"),
        ("From here on.", "One"),
        ("From 5 to 6.", "One"),
        ("From: Änne <anne@example.org>", "(no subject)"),
        ("x", "(no subject)"),
    ]


def mbox(*messages: bytes) -> bytes:
    return b"".join(b"From a@example.org Mon Jan  1 10:00:00 2024\r\n" + one + b"\r\n\r\n" for one in messages)


def test_messages_behind_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch):
    box = mbox(*[b"Subject: x\r\n\r\nwords" for _ in range(10)])
    monkeypatch.setattr(mail, "MAX_NUM_MESSAGES", 3)
    assert passages(box, "a.mbox")[-1] == ("(The mailbox goes on: 7 more messages were left out.)", None)
    monkeypatch.setattr(mail, "MAX_NUM_CHARS", 20)
    assert passages(box, "a.mbox")[-1] == ("(The mailbox goes on: 8 more messages were left out.)", None)


def nested(num_levels: int) -> bytes:
    levels = "".join(f"Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n" for level in range(num_levels))
    return f"Subject: deep\n{levels}\nwords".encode()


def test_parts_are_read_at_any_usual_depth():
    assert texts(nested(10))[1:] == ["words"]


@pytest.mark.parametrize("num_levels", [100, 5000])
def test_parts_nested_beyond_reason_are_damage(num_levels: int):
    with pytest.raises(Damaged, match=r"^a.eml is damaged: more parts, or deeper ones"):
        extract(nested(num_levels), "a.eml")


def test_a_damaged_message_does_not_spoil_the_mailbox():
    found = passages(mbox(b"Subject: one\r\n\r\nwords", nested(100)), "a.mbox")
    assert ("words", "one") in found
    assert found[-1] == ("(Damaged messages in this mailbox, left out: 1.)", None)


FRAGMENTS = (
    "Subject: |From: |Content-Type: |multipart/mixed; boundary=b\n|text/html; charset=|utf-16\n|--b\n|--b--\n|\n|\n\n"
    "|=?utf-8?b?|?=|Content-Transfer-Encoding: |base64\n|x-uuencode\n|begin 6 x\n|quoted-printable\n|message/rfc822\n"
    "|=|;|\"|filename*=a''%f|Content-Disposition: attachment; |\xff|\0|<p>|From a 1\n"
    "|multipart/alternative; boundary=b\n|message/delivery-status\n"
)
MAILS = st.lists(st.sampled_from(FRAGMENTS.split("|")), max_size=25).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["a.eml", "a.mbox"]), MAILS)
def test_arbitrary_mail_is_read_or_refused(name: str, source: str):
    try:
        document = extract(source.encode("latin-1"), name)
    except UnreadableDocument as error:
        assert str(error).startswith(name)  # noqa: PT017  (either outcome is right)
    else:
        (document.title + document.text).encode()
