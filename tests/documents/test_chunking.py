from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_assistant.documents.block import Block
from edge_assistant.documents.chunking import ChunkSize, chunks_of, size_of

SMALL = ChunkSize(longest=80, overlap=30)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=120)
TEXTS = st.lists(
    st.one_of(WORDS, st.sampled_from(["One is here.", "Two!\nThree?", "四。五。", "six " * 40, "x" * 300])),
    max_size=8,
).map(" ".join)
BLOCKS = st.lists(
    st.builds(
        Block,
        kind=st.sampled_from(["heading", "text", "text", "item", "row", "code"]),
        text=TEXTS,
        level=st.integers(1, 3),
        part=st.sampled_from(["", "", "b"]),
        url=st.sampled_from(["", "u"]),
    ),
    max_size=12,
)


def squeezed(text: str) -> str:
    return "".join(text.split())


def numbered(blocks: list[Block]) -> list[Block]:
    pages = itertools.count(1)
    return [
        Block(kind=b.kind, text=b.text, level=b.level, part=b.part, url=b.url, page=next(pages))
        for b in blocks
    ]


@given(BLOCKS)
@settings(max_examples=300, deadline=None)
def test_every_word_is_in_a_chunk_in_order_and_once_but_for_the_overlap(blocks):
    texts = [b for b in blocks if b.kind != "heading"]
    own = "".join(squeezed(c.text[c.overlap :]) for c in chunks_of(texts, SMALL))
    assert own == "".join(squeezed(b.text) for b in texts)


@given(BLOCKS)
@settings(max_examples=300, deadline=None)
def test_no_chunk_is_too_large_or_empty_and_what_it_repeats_is_the_end_of_the_one_before(blocks):
    before = ""
    for chunk in chunks_of(blocks, SMALL):
        assert chunk.text.strip()
        assert size_of(chunk.text) <= max(SMALL.longest, 120)  # a bare heading may have 120
        repeated = chunk.text[: chunk.overlap]
        assert size_of(repeated) <= SMALL.overlap
        assert squeezed(before).endswith(squeezed(repeated))
        assert chunk.text[chunk.overlap :].strip()
        before = chunk.text


@given(BLOCKS)
@settings(max_examples=300, deadline=None)
def test_a_chunk_names_the_pages_it_is_from_and_no_word_of_a_heading_is_lost(blocks):
    blocks = numbered(blocks)
    pages = {b.page: squeezed(b.text) for b in blocks}
    chunks = list(chunks_of(blocks, SMALL))
    for chunk in chunks:
        assert 1 <= chunk.page <= chunk.last_page
        span = "".join(pages[n] for n in range(chunk.page, chunk.last_page + 1))
        assert squeezed(chunk.text[chunk.overlap :]) in span
    everything = "".join(squeezed(c.heading + c.text) for c in chunks)
    for block in blocks:
        if block.kind == "heading" and size_of(block.text.strip()) <= 120:
            assert squeezed(block.text) in everything


@given(BLOCKS)
@settings(max_examples=100, deadline=None)
def test_the_same_blocks_give_the_same_chunks(blocks):
    assert list(chunks_of(blocks, SMALL)) == list(chunks_of(blocks, SMALL))


def test_chunks_follow_headings_and_carry_their_path():
    blocks = [
        Block(kind="heading", level=1, text="Boiler"),
        Block(text="It stands in the cellar."),
        Block(kind="heading", level=2, text="Errors"),
        Block(kind="heading", level=3, text="E4"),
        Block(text="Low pressure."),
        Block(kind="heading", level=2, text="Warranty"),
        Block(kind="heading", level=1, text="Garden"),
        Block(text="Roses.", timestamp=5.0, url="u"),
    ]
    found = [(c.heading, c.text) for c in chunks_of(blocks)]
    assert found == [
        ("Boiler", "It stands in the cellar."),
        ("Boiler › Errors › E4", "Low pressure."),
        ("Boiler", "Warranty"),
        ("Garden", "Roses."),
    ]
    last = list(chunks_of(blocks))[-1]
    assert (last.timestamp, last.url) == (5.0, "u")


def test_a_long_part_is_cut_between_sentences_and_the_last_ones_are_repeated():
    sentences = [f"Sentence number {n} is of a usual length." for n in range(60)]
    chunks = list(chunks_of([Block(text=" ".join(sentences))]))
    assert len(chunks) > 2
    for before, after in itertools.pairwise(chunks):
        assert after.overlap > 0
        assert after.text[: after.overlap].strip() in before.text
        assert before.text.endswith("length.")
        assert after.text.startswith("Sentence")


def test_it_streams_and_holds_one_chunk_at_a_time():
    endless = (Block(text=f"Paragraph {n} goes on. " * 5) for n in itertools.count())
    assert len(list(itertools.islice(chunks_of(endless), 1000))) == 1000


def test_code_and_rows_stay_on_lines_of_their_own():
    blocks = [
        Block(kind="code", text="def f():\n    return 1"),
        Block(kind="row", text="a: 1"),
        Block(text="End."),
    ]
    assert [c.text for c in chunks_of(blocks)] == ["def f():\n    return 1\na: 1\n\nEnd."]
