from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.speech.number import fraction, number, ordinal, year
from edge_assistant.speech.speakable import speakable


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It costs **$29.99**.", "It costs 29 dollars and 99 cents."),
        ("$1, $0.05, $1,200", "1 dollar, 5 cents, 1200 dollars."),
        ("$3.5 million, £2.01", "3.5 million dollars, 2 pounds and 1 penny."),
        ("1,234,567 people", "1234567 people."),
        ("At 7:05 p.m., 10am, 18:30 and 5:00.", "At 7 oh 5 P M, 10 A M, 18 30 and 5 o'clock."),
        ("On 2026-11-25.", "On November twenty fifth, twenty twenty six."),
        ("In 1984, since 2005", "In nineteen eighty four, since two thousand five."),
        ("by 1900", "by nineteen hundred."),
        ("1984 people", "1984 people."),
        ("the 3rd and 21st", "the third and twenty first."),
        ("1/2 cup, 3/4, 24/7", "one half cup, three quarters, 24 7."),
        ("5-10 km/h, 1 km, 21°C", "5 to 10 kilometres per hour, 1 kilometre, 21 degrees Celsius."),
        ("-3.5 °F, 20%", "minus 3.5 degrees Fahrenheit, 20 percent."),
        ("2 + 2 = 4 & so on", "2 plus 2 equals 4 and so on."),
        ("~20%, #5, No. 7", "about 20 percent, number 5, number 7."),
        ("e.g. Dr. Smith vs. Mr. Jones, etc.", "for example Doctor Smith versus Mister Jones, et cetera."),
    ],
)
def test_notation_becomes_words(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("# Title\n\nSome *very* **bold** `code` ~~gone~~.", "Title. Some very bold code gone."),
        ("- Milk\n- [x] Eggs\n* Tea", "Milk. Eggs. Tea."),
        ("1. First\n2) Second", "1: First. 2: Second."),
        ("> quoted\n\n---\n\nafter", "quoted. after."),
        ("[the shop](http://x.com/a,b) and ![a cat](cat.png)", "the shop and a cat."),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b. 1, 2."),
        ("Do this:\n```python\nx = 1\n```\nDone", "Do this: Done."),
        ("```\nnever closed\n", ""),
        ("a_b_c, 3*4*5, <b>bold</b> &amp; more", "a_b_c, 3*4*5, bold and more."),
        ("as shown[1] in [that][ref]", "as shown in that."),
    ],
)
def test_markdown_is_not_read_aloud(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("See https://www.example.com/a/b?x=1.", "See example dot com."),
        ("www.foo-bar.org, <https://a.b/c>", "foo dash bar dot org, a dot b."),
        ("mail bob.b@example.org!", "mail bob dot b at example dot org!"),
        ("Great 👍🏽! I ❤️ it 🇫🇷 :)", "Great! I it."),
        ("👨‍👩‍👧 ✨", ""),
        ("() [] ... !!", ""),
        ("zero\u200bwidth \u202eturned", "zero width turned."),
    ],
)
def test_addresses_and_pictures_are_named_or_left_out(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


def test_other_languages_keep_the_notation_that_their_engine_knows() -> None:
    assert speakable("Es kostet ca. 5,50 €, z.B. hier.", "de") == "Es kostet circa 5,50 €, zum Beispiel hier."
    assert speakable("Ça coûte **5 €** 😀", "fr") == "Ça coûte 5 €."


@given(st.text())
def test_any_text_becomes_one_line_without_marks_that_a_voice_would_read(text: str) -> None:
    spoken = speakable(text)
    assert "\n" not in spoken
    assert not re.search(r"\*\*|```|[\U0001f300-\U0001faff]|https?://\w", spoken)
    assert spoken == "" or any(map(str.isalnum, spoken))


@given(st.text(alphabet="*_`[](){}<>|#>-~\\! a1.:/\n$%&;"))
def test_any_mixture_of_marks_is_survived(text: str) -> None:
    speakable(text)


@pytest.mark.parametrize(
    "unit", ["*", "[", "(", "`", "_a", "<a", "| ", "# ", "www.", "$1", "1,000", "~~~\n", "a@b."]
)
def test_hostile_repetition_takes_no_long_time(unit: str) -> None:
    speakable(unit * (32_000 // len(unit)))


@given(st.integers(0, 999_999))
def test_numbers_have_words(value: int) -> None:
    assert re.fullmatch(r"[a-z ]+", number(value))
    assert re.fullmatch(r"[a-z ]+", ordinal(value))


def test_numbers_as_people_say_them() -> None:
    assert number(342_017) == "three hundred forty two thousand seventeen"
    assert [year(each) for each in (1905, 2000, 2010)] == ["nineteen oh five", "two thousand", "twenty ten"]
    assert [ordinal(each) for each in (1, 12, 20, 33)] == ["first", "twelfth", "twentieth", "thirty third"]
    assert [fraction(1, 4), fraction(3, 2), fraction(2, 3)] == ["one quarter", "three halves", "two thirds"]
