"""Where a turn is answered: here, unless policy and need say otherwise, and never what is private."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from edge_assistant.assistant import answer
from edge_assistant.assistant.assistant import Assistant
from edge_assistant.assistant.events import Route, TextDelta, TurnFailed
from edge_assistant.assistant.ladder import Extensions, Passage, QuickAnswer
from edge_assistant.assistant.routing import (
    Case,
    Doubt,
    Elsewhere,
    Outlook,
    Policy,
    asked_for,
    decide,
    discloses,
)
from edge_assistant.config import Config
from edge_assistant.errors import ModelError
from edge_assistant.llm.protocol import ModelStatus, Piece
from tests.assistant.conftest import GUEST, ask, watch
from tests.fakes import Purse, ScriptedModel

READY = ModelStatus(name="small", phase="ready", context=4096)
ALWAYS = Policy(consent="always", wait_seconds=20)


def case(**more):
    outlook = {"tokens": 100.0, "wait_seconds": 0.0, "status": READY, "weak": False}
    outlook |= {name: more.pop(name) for name in list(more) if name in outlook}
    fields = {"asked": False, "private": "", "guest": False, "online": True, "cost": 10, "left": 100}
    return Case(outlook=Outlook(**outlook), **{**fields, **more})


@pytest.mark.parametrize(
    ("given", "policy", "cloud", "reason"),
    [
        (case(), ALWAYS, False, "the model on this device answers"),
        (case(asked=True), ALWAYS, True, "asked"),
        (case(tokens=5000), ALWAYS, True, "too long"),
        (case(wait_seconds=42.0), ALWAYS, True, "42 s"),
        (case(weak=True), ALWAYS, True, "documents tell nothing"),
        (case(weak=True), Policy(consent="asked"), False, "only when asked"),
        (case(status=ModelStatus(name="small", phase="failed")), ALWAYS, True, "doesn't work"),
        (case(asked=True), Policy(consent="asked"), True, "asked"),
        (case(tokens=5000), Policy(consent="asked"), False, "only when asked"),
        (case(asked=True), Policy(), False, "agreed"),
        (case(asked=True, guest=True), ALWAYS, False, "guests"),
        (case(asked=True, private="this is marked as private"), ALWAYS, False, "private"),
        (case(asked=True, online=False), ALWAYS, False, "can't be reached"),
        (case(asked=True, left=9), ALWAYS, False, "budget"),
    ],
)
def test_consent_comes_before_need_and_need_before_money(given, policy, cloud, reason):
    decision = decide(given, policy)
    assert decision.cloud == cloud
    assert reason in decision.reason


def test_doubt_is_watched_only_where_the_cloud_may_answer():
    unsure = Policy(consent="always", unsure=0.4)
    assert decide(case(), unsure).watch
    for refused in (case(private="x"), case(guest=True), case(online=False), case(left=0)):
        assert not decide(refused, unsure).watch
    assert not decide(case(), Policy(consent="asked", unsure=0.4)).watch


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("Ask the cloud: why is the sky blue?", "why is the sky blue?"),
        ("please use the big model to write a poem", "write a poem"),
        ("Frag die Cloud, warum der Himmel blau ist", "warum der Himmel blau ist"),
        ("What is a cloud?", ""),
        ("Ask the cloud", ""),
    ],
)
def test_the_cloud_is_asked_for_in_words(text, rest):
    assert asked_for(text) == rest


def test_an_unsure_beginning_is_told_by_its_mean():
    for certainty, unsure in ((0.2, True), (0.9, False)):
        doubt = Doubt(0.5)
        heard = [doubt.hear(certainty) for _ in range(12)]
        assert heard == [None] * 11 + [unsure]
        if not unsure:
            assert doubt.hear(0.0) is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I'm allergic to nuts, what can I eat?", True),
        ("since I have diabetes, what may I eat?", True),
        ("my sister's name is Klara, is that a good name?", True),
        ("What may I drink? My wife is pregnant.", True),
        ("Is it far, and I live in Berlin?", True),
        ("Ich habe Diabetes, was darf ich essen?", True),
        ("I have a quick question: what is the capital of France?", False),
        ("I'm wondering why the sky is blue.", False),
        ("What is the capital of France, and how big is it?", False),
        ("Write a poem about a man who lost his hat.", False),
    ],
)
def test_what_somebody_says_about_themselves_is_found_also_within_a_question(text, told):
    assert discloses(text) is told


class Source:
    name = "memory"

    async def retrieve(self, request):
        return (Passage(text="Ann is diabetic.", kind="memory", source="m"),)


class Lamp:
    async def attempt(self, question):
        if "lamp" in question.request.text:
            return QuickAnswer(text="Done.", route=Route(rung="intent", model="", reason="x"))
        return None


@pytest.fixture
def cloud():
    return ScriptedModel("From ", "far ", "away.", name="large")


@pytest.fixture
def make(conversations, model, cloud):
    made = []

    def make(policy=ALWAYS, purse=None, **extensions):
        elsewhere = Elsewhere(cloud, policy, purse or Purse(), conversations)
        extensions = Extensions(elsewhere=elsewhere, **extensions)
        made.append(Assistant(Config(), conversations, model, extensions))
        return made[-1]

    return make


async def last(assistant, turn_id, text, **more):
    events = await watch(await assistant.start(msgspec.structs.replace(ask(turn_id, text), **more)))
    return events[-1]


ASK = "Ask the cloud: why is the sky blue?"


async def test_an_answer_from_the_cloud_says_so_and_why_and_costs(make, model, cloud, conversations):
    purse = Purse()
    answer = await last(make(purse=purse), "t", ASK)
    assert answer.text == "From far away."
    assert answer.route == Route(rung="cloud", model="large", reason="you asked for the cloud")
    assert model.generations == []
    sent = cloud.generations[0]
    assert sent.messages[-1].content == "why is the sky blue?"
    assert (sent.conversation, sent.snapshot_key) == (None, None)
    assert purse.tokens < 10_000
    stored = (await conversations.history("s"))[0]
    assert (stored.answer_text, stored.token_ids, stored.model) == ("From far away.", (), "large")


async def test_what_is_private_never_leaves_and_neither_does_what_follows(make, model, cloud):
    secrets = (
        (make(sources=(Source(),)), {"text": ASK}),
        (make(), {"text": ASK, "private": True}),
        (make(), {"text": "Ask the cloud: what helps me? I am allergic to nuts."}),
        (make(), {"text": "Frag die Cloud: Ich bin allergisch, was hilft?"}),
        (make(), {"text": "Ask the cloud: " + "The sea is wide. " * 400 + "My brother has diabetes."}),
        (make(), {"text": "Ask the cloud, but keep this between us: who is the richest?"}),
        (make(), {"text": ASK, "principal": GUEST}),
    )
    for number, (assistant, request) in enumerate(secrets):
        answer = await last(assistant, f"t{number}", session=f"s{number}", **request)
        assert answer.route.rung == "local", request
        assert "stayed on this device" in answer.route.reason
        follows = await last(assistant, f"u{number}", ASK, session=f"s{number}", **_who(request))
        assert follows.route.rung == "local"
    assistant = make(intents=(Lamp(),))
    assert (await last(assistant, "lamp", "lamp on", session="house")).route.rung == "intent"
    assert (await last(assistant, "after", ASK, session="house")).route.rung == "local"
    assert (await last(assistant, "other", ASK, session="fresh")).route.rung == "cloud"
    assert len(cloud.generations) == 1


def _who(request):
    return {"principal": request["principal"]} if "principal" in request else {}


async def test_memories_that_an_answer_stood_on_keep_the_conversation_here_for_good(
    make, conversations, cloud
):
    remembering = make(sources=(Source(),))
    await last(remembering, "t1", "What may Ann eat?")
    await conversations.drop_turns("s", 1)
    assert (await last(make(), "t2", ASK)).route.rung == "local"
    assert cloud.generations == []


async def test_a_private_message_that_was_stopped_or_cut_off_by_a_crash_never_leaves_later(
    make, model, cloud, conversations
):
    gate = asyncio.Event()
    model.steps, secret = [gate, "never"], "Tell me about zanzibar syndrome"
    assistant = make()
    for number, session in enumerate(("stopped", "crashed")):
        request = msgspec.structs.replace(ask(f"t{number}", secret, session=session), private=True)
        turn = await assistant.start(request)
        await _begun(model, number + 1)
        if session == "stopped":
            await turn.cancel()
            assert (await turn.wait()).text == ""
    await conversations.recover()  # as the next start does; this device was killed in mid-answer
    survivor = make()
    model.steps = ["Fine."]
    for session in ("stopped", "crashed"):
        stored = (await conversations.transcript(session, "owner"))[0]
        assert (stored.answer_text, stored.route["private"]) == ("", True)
        assert (await last(survivor, f"{session}-1", ASK, session=session)).route.rung == "local"
    await conversations.drop_turns("stopped", 5)
    assert await conversations.left_out("stopped", 9) == [ASK]  # what nobody answered is in no gist either
    assert (await last(survivor, "later", ASK, session="stopped")).route.rung == "local"
    assert cloud.generations == []
    assert all("zanzibar" not in str(each.messages) for each in model.generations[2:])
    await assistant.close()


async def test_half_an_answer_that_a_power_cut_left_still_tells_that_it_stood_on_memories(
    make, model, cloud, conversations, monkeypatch
):
    monkeypatch.setattr(answer, "KEEP_SECONDS", 0.01)
    model.steps = ["Ann ", "may eat ", asyncio.Event()]
    assistant = make(sources=(Source(),))
    await assistant.start(ask("t", "What may Ann eat?"))
    async with asyncio.timeout(60):
        while (await conversations.turn("t", "owner")).answer_text != "Ann may eat ":
            await asyncio.sleep(0.01)
    await conversations.recover()
    model.steps = ["Fine."]
    (stored,) = await conversations.history("s")
    assert (stored.route["private"], len(stored.sources)) == (True, 1)
    assert (await last(make(), "t2", ASK)).route.rung == "local"
    assert cloud.generations == []
    await assistant.close()


async def _begun(model, count):
    async with asyncio.timeout(60):
        while len(model.generations) < count:
            await asyncio.sleep(0)


async def test_a_cloud_that_fails_at_once_costs_nothing_but_a_word_of_explanation(make, model, cloud):
    cloud.steps = [ModelError("CLOUD_NO_WORKER", "nobody")]
    answer = await last(make(), "t", ASK)
    assert (answer.text, answer.route.rung) == ("Hello there.", "local")
    assert "CLOUD_NO_WORKER" in answer.route.reason


async def test_the_model_here_takes_over_in_mid_answer_and_repeats_no_word(make, model, cloud):
    cloud.steps = ["The sky is blue because ", "light is scattered ", ModelError("CLOUD_LATE", "late")]
    model.steps = ["light is scattered ", "by air."]
    assistant = make()
    turn = await assistant.start(ask("t", ASK))
    events = await watch(turn)
    answer = events[-1]
    assert answer.text == "The sky is blue because light is scattered by air."
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == answer.text
    assert model.generations[0].begun == "The sky is blue because light is scattered "
    assert (answer.route.rung, answer.route.model) == ("cloud", "large + scripted")
    assert "went on" in answer.route.reason


async def test_an_answer_that_went_on_here_is_kept_without_token_ids(make, model, cloud, conversations):
    cloud.steps = ["Half ", ModelError("CLOUD_LATE", "late")]
    await last(make(), "t", ASK)
    stored = (await conversations.history("s"))[0]
    assert (stored.answer_text, stored.token_ids) == ("Half Hello there.", ())


class Certain(ScriptedModel):
    """A model that tells how sure it is."""

    certainty = 0.9

    def generate(self, generation):
        stream = super().generate(generation)
        done = len(generation.continuation)
        certainty = self.certainty if generation.sampling.certainty else None

        class Telling:
            completion = None

            async def __aiter__(self):
                count = 0
                async for piece in stream:
                    count += 1
                    if count > done:
                        yield Piece(piece.text, piece.token_ids, 0.0, certainty)
                self.completion = stream.completion

            async def cancel(self):
                await stream.cancel()

        return Telling()


@pytest.fixture
def certain(conversations, cloud):
    model = Certain(*(f"w{n} " for n in range(20)), name="small")
    model.status = READY
    policy = Policy(consent="always", unsure=0.5)
    extensions = Extensions(elsewhere=Elsewhere(cloud, policy, Purse(), conversations))
    return model, Assistant(Config(), conversations, model, extensions)


async def test_a_model_that_is_sure_answers_itself(certain, cloud):
    _, assistant = certain
    answer = await last(assistant, "t", "Why is the sky blue?")
    assert (answer.route.rung, answer.text) == ("local", "".join(f"w{n} " for n in range(20)))
    assert cloud.generations == []


async def test_a_model_that_is_unsure_gives_way_before_a_word_is_said(certain, cloud):
    model, assistant = certain
    model.certainty = 0.2
    answer = await last(assistant, "t", "Why is the sky blue?")
    assert (answer.text, answer.route.reason) == ("From far away.", "the model on this device was unsure")


async def test_a_model_that_is_unsure_goes_on_where_it_was_when_the_cloud_is_no_help(certain, cloud):
    model, assistant = certain
    model.certainty = 0.2
    cloud.steps = [ModelError("CLOUD_BUSY", "busy")]
    answer = await last(assistant, "t", "Why is the sky blue?")
    assert answer.text == "".join(f"w{n} " for n in range(20))
    assert len(model.generations[1].continuation) == 12


class Silent:
    """A library that holds nothing about anything."""

    async def attempt(self, question):
        route = Route(rung="extractive", model="", reason="no document fits the question")
        return QuickAnswer(text="Your documents don't tell.", route=route, weak=True)


async def test_what_the_documents_do_not_tell_is_asked_elsewhere_and_never_made_up_here(make, model, cloud):
    asked = "According to the manual, how hot may it get?"
    answer = await last(make(extractive=(Silent(),)), "t", asked)
    assert (answer.text, answer.route.rung) == ("From far away.", "cloud")
    assert answer.route.reason == "your documents tell nothing about this"
    cloud.steps = [ModelError("CLOUD_NO_WORKER", "nobody")]
    failed = await last(make(extractive=(Silent(),)), "u", asked)
    without = await last(make(Policy(consent="asked"), extractive=(Silent(),)), "v", asked)
    for told in (failed, without):
        assert (told.text, told.route.rung) == ("Your documents don't tell.", "extractive")
    cloud.steps = ["Up to ", ModelError("CLOUD_LATE", "late")]
    halved = await last(make(extractive=(Silent(),)), "w", asked, session="fresh")
    assert halved.text == "Up to Hello there."


async def test_a_stop_ends_an_answer_from_the_cloud(make, cloud):
    gate = asyncio.Event()
    cloud.steps = ["So ", gate, "never"]
    turn = await make().start(ask("t", ASK))
    while not any(isinstance(event, TextDelta) for event in turn._events):
        await asyncio.sleep(0)
    await turn.cancel()
    ended = await turn.wait()
    assert not isinstance(ended, TurnFailed)
    assert (ended.text, ended.status, ended.route.rung) == ("So ", "interrupted", "cloud")


async def test_what_leaves_is_written_down_first_and_tells_nothing(conversations, database, model, cloud):
    from edge_assistant.store.audit import AuditLog

    audit = AuditLog(database)
    cloud.steps = [ModelError("CLOUD_LATE", "late")]
    elsewhere = Elsewhere(cloud, ALWAYS, Purse(), conversations, audit)
    assistant = Assistant(Config(), conversations, model, Extensions(elsewhere=elsewhere))
    await last(assistant, "t", ASK)
    (entry,) = await audit.entries()
    assert entry.event == "cloud.asked"
    assert list(entry.details) == ["characters"]
    assert "owner" not in entry.who
