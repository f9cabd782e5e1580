from __future__ import annotations

import pytest

from edge_assistant.assistant.forecast import Forecast
from edge_assistant.llm.protocol import Completion, Generation, Message, ModelStatus, Sampling

FAST = ModelStatus(name="m", phase="ready", prefill_tokens_per_second=100.0, decode_tokens_per_second=10.0)
SILENT = ModelStatus(name="m", phase="ready")


def ask(text: str, *history: str, conversation: str | None = "c", max_tokens: int = 512) -> Generation:
    messages = [Message("user" if n % 2 == 0 else "assistant", each) for n, each in enumerate(history)]
    return Generation(
        id="g",
        messages=(*messages, Message("user", text)),
        conversation=conversation,
        sampling=Sampling(max_tokens=max_tokens),
    )


def done(prompt: int, answer: int, seconds: float = 1.0, **more) -> Completion:
    return Completion(
        **{"reason": "stop", "cached_tokens": 0, "queue_ms": 0.0, **more},
        token_ids=(), prompt_tokens=prompt, completion_tokens=answer, total_ms=seconds * 1000,
    )  # fmt: skip


def test_reading_takes_the_uncached_tokens_by_the_measured_rate():
    work = Forecast().work(ask("x" * 3980), FAST)
    assert work.reading == pytest.approx((3980 / 4 + 5) / 100)
    assert work.total > work.reading


def test_what_the_model_holds_of_a_conversation_is_not_read_again():
    forecast = Forecast()
    first = ask("x" * 4000)
    forecast.learn(first, done(prompt=1005, answer=100))
    again = ask("y" * 40, "x" * 4000, "z" * 400)
    assert forecast.uncached(again) < 30
    assert forecast.uncached(ask("y" * 40, "x" * 4000, "z" * 400, conversation="other")) > 1000


def test_an_answer_of_few_tokens_is_short():
    long, short = (Forecast().work(ask("Hi", max_tokens=n), FAST).total for n in (512, 1))
    assert short < long / 5


def test_tokens_a_character_and_lengths_of_answers_are_learnt():
    forecast = Forecast()
    for _ in range(40):
        forecast.learn(ask("字" * 1000, conversation=None), done(prompt=1005, answer=10))
    assert forecast.uncached(ask("字" * 500, conversation=None)) == pytest.approx(505, rel=0.01)
    assert forecast.work(ask("Hi"), FAST).total == pytest.approx(1.1, abs=0.2)


def test_a_model_that_tells_no_speed_is_predicted_from_what_its_answers_took():
    forecast = Forecast()
    for _ in range(40):
        forecast.learn(ask("Hi"), done(prompt=9, answer=5, seconds=3.0, queue_ms=1000.0))
    assert forecast.work(ask("Hi"), SILENT).total == pytest.approx(2.0, abs=0.1)


def test_answers_that_were_stopped_say_nothing_about_length():
    forecast = Forecast()
    before = forecast.work(ask("Hi"), FAST).total
    forecast.learn(ask("Hi", conversation=None), done(prompt=7, answer=0, reason="cancelled"))
    assert forecast.work(ask("Hi"), FAST).total == pytest.approx(before, abs=0.05)


def test_only_as_many_conversations_are_remembered_as_the_model_holds():
    forecast = Forecast()
    for number in range(100):
        forecast.learn(ask("Hi", conversation=f"c{number}"), done(prompt=7, answer=1))
    assert len(forecast._held) == 16
