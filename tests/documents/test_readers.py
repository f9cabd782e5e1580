from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_assistant.documents.block import About, Block
from edge_assistant.documents.chunking import chunks_of
from edge_assistant.documents.readers.kinds import read
from edge_assistant.documents.readers.warm_up import _SAMPLES
from edge_assistant.documents.refusal import Refusal
from tests.documents import samples


def read_bytes(data: bytes, name: str = "a.txt", url: str = "") -> tuple[About, list[Block]]:
    about, *blocks = read(io.BytesIO(data), name, url)
    assert isinstance(about, About)
    return about, blocks


def read_path(path: Path) -> tuple[About, list[Block]]:
    return read_bytes(path.read_bytes(), path.name)


def refusal(data: bytes, name: str = "a.txt") -> str:
    """Return why a document is refused; without a chunk the worker calls it empty."""
    try:
        chunks = list(chunks_of(b for b in read(io.BytesIO(data), name) if isinstance(b, Block)))
    except Refusal as found:
        return found.code
    assert not chunks
    return "DOCUMENT_EMPTY"


def read_or_refused(data: bytes, name: str) -> None:
    """Read whatever it is; anything but blocks or a `Refusal` fails the test."""
    with contextlib.suppress(Refusal):
        for item in read(io.BytesIO(data), name):
            assert isinstance(item, About | Block)


def texts(blocks: list[Block]) -> str:
    return "\n".join(block.text for block in blocks)


# --- PDF


def test_a_pdf_tells_page_and_chapter_of_each_piece(tmp_path):
    path = samples.pdf(
        tmp_path / "boiler.pdf",
        [
            "The boiler stands in the cellar.",
            "Error E4 means low pressure.\nOpen the valve.",
            "Ask the fitter.",
        ],
        title="Boiler manual",
        headings={1: "Introduction", 2: "Errors"},
    )
    about, blocks = read_path(path)
    assert (about.kind, about.title, about.pages) == ("pdf", "Boiler manual", 3)
    assert about.timestamp > 1_700_000_000
    found = [(c.page, c.last_page, c.heading, c.text) for c in chunks_of(blocks)]
    assert found == [
        (1, 1, "Introduction", "The boiler stands in the cellar."),
        (2, 3, "Errors", "Error E4 means low pressure.\nOpen the valve.\n\nAsk the fitter."),
    ]


def test_an_encrypted_a_broken_an_empty_and_an_image_only_pdf_each_say_so(tmp_path):
    assert refusal(samples.encrypted_pdf(tmp_path / "a.pdf").read_bytes()) == "DOCUMENT_ENCRYPTED"
    assert refusal(samples.image_pdf(tmp_path / "b.pdf").read_bytes()) == "DOCUMENT_NO_TEXT"
    assert refusal(b"%PDF-1.7\n" + bytes(range(256)) * 40, "c.pdf") == "DOCUMENT_BROKEN"
    assert refusal(b"not a PDF at all", "d.pdf") == "DOCUMENT_BROKEN"
    assert refusal(b"", "e.pdf") == "DOCUMENT_EMPTY"
    assert refusal(b"\n  \n", "f.txt") == "DOCUMENT_EMPTY"


def test_half_a_pdf_gives_what_can_be_saved_or_says_that_it_is_broken(tmp_path):
    whole = samples.pdf(tmp_path / "a.pdf", ["First page."] * 5).read_bytes()
    for share in (0.3, 0.6, 0.9):
        read_or_refused(whole[: int(len(whole) * share)], "a.pdf")


# --- Markdown, text, CSV


def test_markdown_keeps_headings_lists_tables_code_and_links():
    source = (
        "---\ntitle: 'Bread'\n---\nIntro with a [link](https://b.example/x).\n\nDough\n=====\n\n"
        "- flour\n- water\n\n## Times\n\n| step | minutes |\n|---|---|\n| knead | 10 |\n\n"
        "```py\ndef f():\n    pass\n```\n\n> quoted\n"
    )
    about, blocks = read_bytes(source.encode(), "bread.md")
    assert about.title == "Bread"
    assert [(b.kind, b.text.strip()) for b in blocks] == [
        ("text", "Intro with a [link](https://b.example/x)."),
        ("heading", "Dough"),
        ("item", "flour"),
        ("item", "water"),
        ("heading", "Times"),
        ("row", "step: knead; minutes: 10"),
        ("code", "def f():\n    pass"),
        ("text", "quoted"),
    ]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Käse für zwölf Personen, größer als üblich. " * 5),
        ("utf-8-sig", "Käse und Öl"),
        ("utf-16", "Käse und Öl"),
        ("utf-16-le", "Cheese and oil and bread for everybody here"),
        ("cp1252", "Käse für zwölf Personen – „größer“ als üblich, müde Bären, schöne Grüße. " * 5),
        ("cp1251", "Привет, это обычный русский текст о хлебе и сыре для всей семьи. " * 5),
        ("shift_jis", "これは日本語の文章です。パンとチーズについて書いてあります。" * 5),
    ],
)
def test_a_text_in_any_usual_encoding_is_read_right(encoding, text):
    _about, blocks = read_bytes(text.encode(encoding), "a.txt")
    assert texts(blocks).strip() == text.strip()


def test_a_text_with_broken_letters_is_read_around_them_and_a_program_is_refused():
    data = ("gut lesbarer Text mit Ümlauten. " * 3000).encode() + b"\xff\xfe broken " + b"end"
    assert "\ufffd" in texts(read_bytes(data)[1])
    assert refusal(bytes(range(256)) * 10) == "DOCUMENT_NOT_TEXT"
    assert refusal(Path("/bin/ls").read_bytes(), "a.md") == "DOCUMENT_UNSUPPORTED"


def test_csv_rows_say_their_columns_whatever_separates_them():
    for delimiter in ",;\t":
        data = f'Name{delimiter}Sum\nGas{delimiter}80\n\n"Water, cold"{delimiter}30\n'.encode()
        _about, blocks = read_bytes(data, "bills.csv")
        assert [b.text for b in blocks] == ["Name: Gas; Sum: 80", "Name: Water, cold; Sum: 30"]


# --- HTML


PAGE = (
    "<html><head><title>Sourdough</title><meta name='date' content='2024-05-01'>"
    "<script>var x='evil'</script></head><body>"
    "<nav><a href='/'>Home</a> <a href='/shop'>Shop now</a></nav>"
    "<article><h1>Sourdough</h1>"
    "<p>Feed the starter every day with flour and water, at room temperature, and keep it in a jar.</p>"
    "<h2>Baking</h2><p>Bake it at 240 degrees for forty minutes; "
    "<a href='https://b.example/steam'>steam</a> helps.</p>"
    "<table><tr><th>Flour</th><th>Water</th></tr><tr><td>500</td><td>350</td></tr></table></article>"
    "<footer>Accept all cookies</footer></body></html>"
)


def test_a_web_page_gives_its_article_with_title_date_and_links_but_no_menus():
    about, blocks = read_bytes(PAGE.encode(), "sourdough", "https://b.example/sourdough")
    assert (about.title, about.timestamp) == ("Sourdough", 1714521600.0)
    text = texts(blocks)
    assert "240 degrees" in text
    assert "[steam](https://b.example/steam)" in text
    assert "cookies" not in text
    assert "evil" not in text
    assert ("heading", "Baking") in [(b.kind, b.text) for b in blocks]


def test_a_persons_own_html_file_is_read_whole():
    about, blocks = read_bytes(PAGE.encode(), "sourdough.html")
    text = texts(blocks)
    assert about.title == "Sourdough"
    assert "Accept all cookies" in text
    assert "Flour: 500; Water: 350" in text
    assert "evil" not in text


def test_html_says_its_encoding_and_may_lie_about_it():
    page = (
        "<html><head><meta charset={}></head><body>"
        "<p>Käse für zwölf müde Bären, dazu schöne Äpfel und Brötchen "
        "für alle Gäste über das ganze Jahr.</p></body></html>"
    )
    for named, real in (
        ("iso-8859-1", "latin-1"),
        ("utf-8", "utf-8"),
        ("utf-8", "cp1252"),
        ("nonsense", "utf-8"),
    ):
        assert "Käse für zwölf" in texts(read_bytes(page.format(named).encode(real), "a.html")[1])


def test_html_nested_ten_thousand_deep_is_read_without_falling_over():
    data = b"<html><body>" + b"<div>" * 10_000 + b"deep" + b"</div>" * 10_000
    read_or_refused(data, "a.html")


# --- archives


def test_a_notion_export_keeps_hierarchy_addresses_links_and_dates(tmp_path):
    about, blocks = read_path(samples.notion(tmp_path / "export.zip"))
    assert about.kind == "notion"
    chunks = list(chunks_of(blocks))
    house = next(c for c in chunks if "Everything about" in c.text)
    boiler = next(c for c in chunks if "1.6 bar" in c.text)
    assert house.heading == "House"
    assert f"[Boiler](https://www.notion.so/{samples.CHILD_ID})" in house.text
    assert boiler.heading == "House › Boiler › Pressure"
    assert boiler.url == f"https://www.notion.so/{samples.CHILD_ID}"
    assert boiler.timestamp == 1714731300.0
    rows = [c.text for c in chunks if c.heading == "House › Bills"]
    assert rows == ["Name: Gas; Sum: 80\nName: Water; Sum: 30"]


def test_archives_within_an_archive_have_one_budget(monkeypatch):
    monkeypatch.setattr("edge_assistant.documents.readers.archive.TOTAL_BYTES", 400_000)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("page.md", "".join(f"{n} words stand here. " for n in range(3000)))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        for number in range(8):
            archive.writestr(f"part-{number}.zip", inner.getvalue())
    assert refusal(outer.getvalue()) == "DOCUMENT_UNSAFE_ARCHIVE"


def test_a_notion_export_as_html_keeps_its_links_too(tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        child = f"House%20{samples.NOTION_ID}/Boiler%20{samples.CHILD_ID}.html"
        archive.writestr(
            f"House {samples.NOTION_ID}.html",
            "<html><head><title>House</title></head><body><article><h1>House</h1>"
            f'<p>See the <a href="{child}">boiler</a> and <a href="https://example.org/x">this</a>.</p>'
            "</article></body></html>",
        )
    with path.open("rb") as file:
        blocks = [each for each in read(file, path.name) if isinstance(each, Block)]
    assert blocks[-1].text == (
        f"See the [boiler](https://www.notion.so/{samples.CHILD_ID}) and [this](https://example.org/x)."
    )
    assert blocks[-1].url == f"https://www.notion.so/{samples.NOTION_ID}"


def test_a_zip_bomb_is_not_unpacked_even_when_it_lies_about_its_size(tmp_path):
    assert refusal(samples.zip_bomb(tmp_path / "a.zip").read_bytes()) == "DOCUMENT_UNSAFE_ARCHIVE"
    code = refusal(samples.lying_zip_bomb(tmp_path / "b.zip").read_bytes())
    assert code in {"DOCUMENT_UNSAFE_ARCHIVE", "DOCUMENT_BROKEN"}


@pytest.mark.parametrize(
    "name", ["../../outside.md", "/etc/outside.md", "a/../../b.md", "..\\outside.md", "C:\\b.md"]
)
def test_an_archive_that_points_outside_of_itself_is_not_opened(tmp_path, name):
    assert refusal(samples.traversing_zip(tmp_path / "a.zip", name).read_bytes()) == "DOCUMENT_UNSAFE_ARCHIVE"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.zip"]


def test_damaged_office_and_empty_archives_say_so(tmp_path):
    whole = samples.notion(tmp_path / "a.zip").read_bytes()
    assert refusal(whole[: len(whole) // 2], "a.zip") == "DOCUMENT_BROKEN"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    assert refusal(data.getvalue(), "a.docx") == "DOCUMENT_UNSUPPORTED"
    assert refusal(b"PK\x05\x06" + bytes(18), "empty.zip") == "DOCUMENT_UNSUPPORTED"


# --- anything


@given(st.binary(max_size=2000), st.sampled_from(["a.txt", "a.md", "a.csv", "a.html", "a.pdf", "a.zip", "a"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_under_any_name_are_read_or_refused_and_nothing_else(data, name):
    read_or_refused(data, name)


@given(st.text(max_size=400), st.sampled_from(["a.txt", "a.md", "a.csv", "a.html"]))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused_and_nothing_else(text, name):
    read_or_refused(text.encode(), name)


@pytest.mark.parametrize(("name", "url", "data"), [s for s in _SAMPLES if not s[0].endswith(".zip")])
def test_every_sample_of_the_warm_up_is_read(name, url, data):
    assert len(list(read(io.BytesIO(data), name, url))) > 1
