"""Nothing personal leaves, and all of it comes back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.cloud.pseudonyms import EXPLANATION, PseudonymModel, Pseudonyms, Restorer, hidden
from edge_assistant.llm.protocol import Generation, Message
from tests.cloud.conftest import text_of
from tests.fakes import ScriptedModel

PEOPLE = ("Anna Weber", "Jürgen", "Will", "Siân O'Brien-Łukasz")


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("Anna's bike and ANNA and annas", ["anna", "Anna"]),
        ("Ask Juergen or Jürgen or Jurgen, jürgens Rad", ["uergen", "ürgen", "urgen"]),
        ("Is Will here? He will come.", ["Will"]),
        ("Sian O'Brien-Lukasz rang", ["Sian", "Brien"]),
        ("Call 0171 2345678 or +49 (89) 123-456 or 555-867-5309.", ["2345678", "123-456", "867"]),
        ("Mail anna.w+x@mail.example.org or bob [at] example [dot] com", ["mail.example", "bob", "example"]),
        ("IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111", ["3704", "0130", "4111"]),
        ("I live at 221B Baker Street, London NW1 6XE", ["221B", "Baker", "NW1", "6XE", "London"]),
        ("Send it to 12 Oak Ave Apt 5, Springfield, IL 62704", ["12 Oak", "Springfield", "62704"]),
        ("Ich wohne in der Hauptstraße 5, 80331 München", ["Hauptstraße", "80331", "München"]),
        ("Am Markt 3, Unter den Linden 77, Max-Planck-Straße 12a", ["Markt", "Linden", "Planck"]),
        ("born 12.05.1984, or on May 12, 1984, or 3. März 1990", ["1984", "März", "1990"]),
        ("My sister Klara and meine Tochter heißt Svenja", ["Klara", "Svenja"]),
        ("Dear Mr. Tom Sawyer, Frau Dr. Müller-Lüdenscheid", ["Sawyer", "Müller"]),
        ("my ip 192.168.1.20, mac aa:bb:cc:dd:ee:ff", ["192.168", "aa:bb"]),
        ("see https://me.example/x?token=1", ["me.ex", "token"]),
        ("passport C01X00T47, plate M-AB 1234", ["C01X", "AB 1234"]),
    ],
)  # fmt: skip
def test_what_is_personal_leaves_as_tokens_and_comes_back_as_it_was(text, secrets):
    pseudonyms = Pseudonyms(PEOPLE)
    left = pseudonyms.hide(text)
    assert [secret for secret in secrets if secret in left] == []
    assert pseudonyms.restore(left) == text


@pytest.mark.parametrize(
    "text",
    ["What is 3.14159 times 2?", "Who ruled France in 1789?", "Is 10,000 a lot?",
     "Warum ist der Himmel blau?",
     "Write a poem about Street art.", "Explain the year 2024 in Paris."],
)  # fmt: skip
def test_what_everybody_may_know_is_left_alone(text):
    assert Pseudonyms(PEOPLE).hide(text) == text


def test_the_same_words_have_one_token_in_all_messages_of_a_round_trip():
    pseudonyms = Pseudonyms(PEOPLE)
    messages = (Message("system", "Be kind."), Message("user", "Anna is 5."), Message("user", "Is Anna old?"))
    sent = hidden(
        Generation(id="secret-id", messages=messages, conversation="c", snapshot_key=b"k"), pseudonyms
    )
    assert sent.messages[0].content == f"Be kind.\n\n{EXPLANATION}"
    assert [each.content for each in sent.messages[1:]] == ["[NAME_1] is 5.", "Is [NAME_1] old?"]
    assert (sent.id, sent.conversation, sent.snapshot_key) == ("", None, None)


def test_a_token_that_a_person_writes_is_not_mistaken_for_ours():
    pseudonyms = Pseudonyms(PEOPLE)
    pseudonyms.avoid("What does [NAME_1] mean?")
    left = pseudonyms.hide("What does [NAME_1] mean, Anna?")
    assert left == "What does [NAME_1] mean, [NAME_2]?"
    assert pseudonyms.restore(left) == "What does [NAME_1] mean, Anna?"


@pytest.mark.parametrize("answer", ["[NAME_1]", "[name_1]", "NAME_1", "[ NAME_1 ]", "[NAME 1]"])
def test_a_model_may_be_careless_with_a_token(answer):
    pseudonyms = Pseudonyms(PEOPLE)
    pseudonyms.hide("Anna")
    assert pseudonyms.restore(f"Hello {answer}, hello {answer}.") == "Hello Anna, hello Anna."


ANSWER = "Dear [NAME_1], NAME_2 called [NUMBER_3]. [NAME_12] [x] N NAME [NA] [NAME_1"


@given(st.lists(st.integers(0, len(ANSWER)), max_size=len(ANSWER)))
def test_however_an_answer_is_cut_it_is_restored_as_a_whole(cuts):
    pseudonyms = Pseudonyms(PEOPLE)
    pseudonyms.hide("Anna, Jürgen, 0171 2345678")
    restorer = Restorer(pseudonyms)
    edges = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in itertools.pairwise(edges)]
    said = "".join(restorer.feed(piece) for piece in pieces) + restorer.finish()
    assert said == pseudonyms.restore(ANSWER)
    assert said.startswith("Dear Anna, Jürgen called 0171 2345678. [NAME_12] [x] N NAME [NA] ")


@given(st.text(max_size=200))
def test_any_text_comes_back_as_it_was(text):
    import unicodedata

    pseudonyms = Pseudonyms(PEOPLE)
    pseudonyms.avoid(text)
    assert pseudonyms.restore(pseudonyms.hide(text)) == unicodedata.normalize("NFC", text)


HOSTILE = ("A-" * 8000, "a@" * 8000, "1 " * 8000, "AAAA-" * 3200, "12 Aa " * 2600, "my " * 5000)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_read_to_their_end_and_come_back(text):
    """A form that grows with the square of a text takes minutes for these: longer than a test may take."""
    pseudonyms = Pseudonyms(PEOPLE)
    assert pseudonyms.restore(pseudonyms.hide(text)) == text


async def test_the_model_sees_tokens_and_whoever_asked_sees_names():
    async def names():
        return PEOPLE

    inner = ScriptedModel("Hi [NA", "ME_1", "], I ", "am ", "[", "not] ", "NAME_", "1")
    stream = PseudonymModel(inner, names).generate(
        Generation(id="g", messages=(Message("user", "Greet Anna"),), begun="Anna")
    )
    assert await text_of(stream) == "Hi Anna, I am [not] Anna"
    assert stream.completion.reason == "stop"
    assert "Anna" not in str(inner.generations[0])
