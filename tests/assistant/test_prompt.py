from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.assistant.personas import personas, system_prompt
from edge_assistant.assistant.prompt import build_messages
from edge_assistant.config import AssistantSettings, Config, LlmSettings, Persona
from edge_assistant.llm.protocol import Message
from edge_assistant.memory.conversation import StoredTurn
from tests.assistant.conftest import ask

TEXT = st.text(max_size=8)


def stored(number, user, answer, status, model="m"):
    return StoredTurn(
        turn_id=f"t{number}", session="s", status=status, user_text=user, answer_text=answer,
        token_ids=(number,) if answer else (), model=model, created_at=0.0,
    )  # fmt: skip


TURNS = st.lists(
    st.tuples(TEXT, TEXT, st.sampled_from(["complete", "interrupted", "truncated", "failed"])), max_size=10
)
PERSONAS = st.builds(Persona, tone=TEXT, instructions=TEXT)


@given(TURNS, PERSONAS)
def test_nothing_before_the_newest_turn_ever_changes(turns, persona):
    config = Config(assistant=AssistantSettings(persona="p"), personas={"p": persona})
    history = [stored(number, *turn) for number, turn in enumerate(turns)]
    stable = build_messages(system_prompt(config), [], "now", "m")[:-1]
    for number in range(len(history) + 1):
        *before, newest = build_messages(system_prompt(config), history[:number], "now", "m")
        assert before[: len(stable)] == list(stable)
        assert newest == Message("user", "now")
        stable = tuple(before)


def test_an_answer_stands_with_its_ids_only_for_the_model_that_made_them():
    history = [stored(1, "Hi", "Hello", "complete")]
    assert build_messages("", history, "x", "m")[2] == Message("assistant", "Hello", (1,))
    assert build_messages("", history, "x", "other")[2] == Message("assistant", "Hello")


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_broken_answer_stands_as_far_as_it_got_and_one_without_a_word_never(status):
    turns = [stored(1, "one", "so far", status), stored(2, "two", "", status)]
    contents = [message.content for message in build_messages("", turns, "three", "m")[1:]]
    assert contents == ["one", "so far", "three"]


def test_the_system_prompt_says_name_tone_language_and_instructions():
    config = Config(
        assistant=AssistantSettings(name="Ada", persona="butler", language="de-CH"),
        personas={"butler": Persona(name="James", tone="dry", instructions="Never joke.")},
    )
    prompt = system_prompt(config)
    assert all(word in prompt for word in ("James", "dry", "German", "Never joke."))
    assert "Ada" in system_prompt(Config(assistant=AssistantSettings(name="Ada")))


def test_the_default_persona_is_there_and_can_be_rewritten():
    assert next(iter(personas(Config()))) == "default"
    assert personas(Config(personas={"default": Persona(tone="loud")}))["default"].tone == "loud"


async def test_the_prompts_of_a_conversation_only_grow_whatever_became_of_its_turns(assistant, model):
    prompts = []
    for number, steps in enumerate((["a"], [], ["b ", "c"], ["d"])):
        model.steps = steps
        model.reason = "length" if number == 2 else "stop"
        await (await assistant.start(ask(f"t{number}", f"q{number}"))).wait()
        prompts.append(model.generations[-1].messages)
    for earlier, later in itertools.pairwise(prompts):
        assert later[: len(earlier) - 1] == earlier[:-1]
    assert [message.content for message in prompts[-1][1:]] == ["q0", "a", "q2", "b c", "q3"]


async def test_an_answer_never_takes_more_than_half_of_the_context(make_assistant, model):
    config = Config(llm=LlmSettings(context=512, max_tokens=4000, temperature=0.5))
    await (await make_assistant(config).start(ask("t"))).wait()
    sampling = model.generations[0].sampling
    assert (sampling.max_tokens, sampling.temperature) == (256, 0.5)


async def test_a_model_on_a_server_is_a_peer_not_local(make_assistant):
    remote = msgspec.structs.replace(Config().llm, engine="openai", url="http://x/v1", remote_model="big")
    last = await (await make_assistant(Config(llm=remote)).start(ask("t"))).wait()
    assert last.route.rung == "peer"
