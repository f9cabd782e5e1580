from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge_assistant.assistant.assistant import Assistant
from edge_assistant.config import Config
from edge_assistant.config.schema import VoiceSettings
from edge_assistant.errors import EdgeError
from edge_assistant.frontends.voice import voice as room
from edge_assistant.frontends.voice.phase import VoiceStatus
from edge_assistant.frontends.voice.voice import Voice
from edge_assistant.memory.conversations import Conversations
from edge_assistant.speech.wire import (
    DeviceChanged,
    EndListening,
    EngineState,
    Listen,
    Mute,
    PlayEarcon,
    Ready,
    SayAppend,
    SayBegin,
    SayEnd,
    SayPause,
    SayResume,
    SayStop,
    SpeechResumed,
    StopHeard,
    WakeMissed,
)
from edge_assistant.store.database import Database
from tests.fakes import ScriptedModel, with_cloud
from tests.frontends.voice.scripted import ScriptedSpeech, TalkedTo
from tests.frontends.web.conftest import until

ANSWER = "The capital of France is Paris, a large city. It lies on the river Seine."


class Scene:
    def __init__(self, assistant: TalkedTo, speech: ScriptedSpeech, settings: VoiceSettings) -> None:
        self.assistant, self.speech = assistant, speech
        self.voice = Voice(settings, assistant, speech)
        self.phases: list[str] = []
        self.statuses: list[VoiceStatus] = []
        self.voice.subscribe(self._changed)

    def _changed(self, status: VoiceStatus) -> None:
        self.statuses.append(status)
        if self.phases[-1:] != [status.phase]:
            self.phases.append(status.phase)

    @property
    def phase(self) -> str:
        return self.voice.status.phase

    async def ask(self, text: str = "What is the capital of France?", **final: Any) -> str:
        """Speak, and wait until the assistant has the question; return the turn's id."""
        before = len(self.assistant.requests)
        self.speech.hear(text, **final)
        await until(lambda: len(self.assistant.requests) > before)
        return self.assistant.requests[-1].id

    async def answer(self, *pieces: str, finish: bool = True) -> str:
        """Be asked and answer; return the turn's id once the voice has begun to be heard."""
        turn = await self.ask()
        self.assistant.say(turn, *pieces)
        if finish:
            self.assistant.finish(turn)
            await until(lambda: self.speech.said_all)
        await until(lambda: bool(self.speech.sent_of(SayBegin)))
        self.speech.play()
        return turn

    def heard_of(self, turn: str) -> int | None:
        return self.assistant.turns[turn].heard_characters


@pytest.fixture
async def make() -> AsyncIterator[Any]:
    scenes: list[Scene] = []

    async def start(*, echo_cancelled: bool = False, **settings: Any) -> Scene:
        scene = Scene(
            TalkedTo(), ScriptedSpeech(echo_cancelled=echo_cancelled), VoiceSettings(enabled=True, **settings)
        )
        scenes.append(scene)
        await scene.voice.start()
        return scene

    yield start
    for scene in scenes:
        await scene.voice.stop()


@pytest.fixture
async def scene(make: Any) -> Scene:
    started: Scene = await make()
    return started


async def test_a_question_is_answered_in_the_name_of_the_household(scene: Scene) -> None:
    turn = await scene.ask()
    request = scene.assistant.requests[0]
    assert (request.text, request.source) == ("What is the capital of France?", "voice")
    assert request.principal.id == "household"
    scene.assistant.say(turn, *ANSWER)
    scene.assistant.finish(turn)
    await until(lambda: scene.speech.said_all)
    assert scene.speech.spoken == [
        "The capital of France is Paris,",
        "a large city. It lies on the river Seine.",
    ]
    assert sum(each.characters for each in scene.speech.sent_of(SayAppend)) == len(ANSWER)
    scene.speech.play()
    scene.speech.silence(len(ANSWER))
    assert scene.phases == ["idle", "listening", "thinking", "speaking", "idle"]


async def test_what_is_said_to_be_private_is_not_asked_elsewhere(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    conversations, cloud = Conversations(database), ScriptedModel("From far away.")
    assistant = Assistant(Config(), conversations, ScriptedModel(), with_cloud(cloud, conversations))
    speech = ScriptedSpeech()
    voice = Voice(VoiceSettings(enabled=True), assistant, speech)
    await voice.start()
    for spoken, said in (
        ("Ask the cloud why the sky is blue.", "From far away."),
        ("Ask the cloud, but keep this between us: why is the sky blue?", "Hello there."),
    ):
        speech.sent.clear()
        speech.hear(spoken)
        await until(lambda: speech.said_all)
        assert speech.spoken == [said]
        speech.play()
        speech.silence(len(said))
    assert len(cloud.generations) == 1
    await voice.stop()
    await assistant.close()
    await database.close()


async def test_the_first_clause_is_spoken_before_the_answer_is_complete(scene: Scene) -> None:
    turn = await scene.ask()
    scene.assistant.say(turn, *"The capital of France is Paris, which lies ")
    await until(lambda: scene.speech.spoken == ["The capital of France is Paris,"])
    assert not scene.speech.said_all


async def test_what_is_understood_early_is_prepared_and_void_when_speech_goes_on(scene: Scene) -> None:
    scene.speech.begin()
    scene.speech.partial("turn on", settled=False)
    scene.speech.partial("Turn on the light.")
    scene.speech.partial("Turn on the light!")
    scene.speech.emit(SpeechResumed(utterance="u1", at=0.0))
    scene.speech.partial("Turn on the light and the fan.", revision=1)
    await until(lambda: len(scene.assistant.prepared) == 2)
    assert scene.assistant.prepared == ["Turn on the light.", "Turn on the light and the fan."]
    assert scene.assistant.requests == []


async def test_nobody_speaking_leads_back_to_idle(scene: Scene) -> None:
    scene.speech.hear("")
    assert scene.phases == ["idle", "listening", "idle"]
    assert scene.assistant.requests == []


@pytest.mark.parametrize("text", ["Stop.", "Never mind."])
async def test_what_takes_a_question_back_asks_nothing(scene: Scene, text: str) -> None:
    scene.speech.hear(text)
    await asyncio.sleep(0)
    assert (scene.assistant.requests, scene.phase) == ([], "idle")


async def test_a_near_phrase_is_not_answered_and_counted(scene: Scene) -> None:
    scene.speech.hear("Okay, bamboo, turn on the light", wake_confirmed=False)
    scene.speech.emit(WakeMissed(word="okay_nabu", score=0.7, count=1))
    await asyncio.sleep(0)
    assert (scene.assistant.requests, scene.voice.status.near_misses) == ([], 2)


async def test_its_own_words_are_not_answered(scene: Scene) -> None:
    scene.speech.hear("the capital of France", own_words=True)
    await asyncio.sleep(0)
    assert scene.assistant.requests == []


async def test_the_wake_word_pauses_the_answer_and_a_new_question_replaces_it(scene: Scene) -> None:
    first = await scene.answer(ANSWER)
    scene.speech.progress(31)
    scene.speech.begin()
    assert scene.speech.sent_of(SayPause)
    assert scene.phase == "listening"
    scene.speech.end("And of Spain?")
    assert scene.speech.told_to_stop
    scene.speech.silence(35, "stopped", first)
    await until(lambda: len(scene.assistant.requests) == 2)
    assert scene.assistant.requests[1].session == scene.assistant.requests[0].session


async def test_what_was_heard_of_an_interrupted_answer_is_kept(scene: Scene) -> None:
    turn = await scene.answer(ANSWER, finish=False)
    scene.speech.emit(StopHeard(word="stop", at=1.0))
    scene.speech.silence(31, "stopped")
    await until(lambda: scene.heard_of(turn) == 31)
    assert (scene.phase, scene.assistant.stopped) == ("idle", [turn])


async def test_a_stop_that_the_worker_carried_out_first_keeps_what_was_heard_too(scene: Scene) -> None:
    turn = await scene.answer(ANSWER, finish=False)
    scene.speech.silence(17, "stopped")
    scene.speech.emit(StopHeard(word="stop", at=1.0))
    await until(lambda: scene.heard_of(turn) == 17)


async def test_an_answer_that_is_complete_is_shortened_to_what_was_heard(scene: Scene) -> None:
    turn = await scene.answer(ANSWER)
    kept: list[int] = []

    async def shorten(characters: int) -> None:
        kept.append(characters)

    scene.assistant.turns[turn].shorten = shorten
    scene.voice.hush()
    scene.speech.silence(12, "stopped")
    await until(lambda: kept == [12])


async def test_an_answer_that_was_not_heard_at_all_is_not_kept(scene: Scene) -> None:
    turn = await scene.ask()
    scene.voice.hush()
    await until(lambda: scene.heard_of(turn) == 0)
    assert scene.phase == "idle"
    assert scene.speech.spoken == []


async def test_a_false_alarm_resumes_the_answer(scene: Scene) -> None:
    await scene.answer(ANSWER)
    scene.speech.begin()
    scene.speech.end()
    assert [type(each) for each in scene.speech.sent[-2:]] == [SayPause, SayResume]
    assert scene.phase == "speaking"
    scene.speech.begin()
    scene.speech.end("the capital of France is Paris")
    assert len(scene.speech.sent_of(SayResume)) == 2
    assert not scene.speech.told_to_stop


async def test_with_an_echo_canceller_a_voice_interrupts_and_mhm_does_not(make: Any) -> None:
    scene: Scene = await make(echo_cancelled=True)
    await scene.answer(ANSWER)
    scene.speech.begin("interruption")
    assert scene.speech.sent_of(SayPause)
    scene.speech.end("Mhm.")
    assert scene.speech.sent_of(SayResume)
    scene.speech.begin("interruption")
    scene.speech.partial("wait tell me", settled=False)
    assert scene.speech.told_to_stop


async def test_an_answer_that_asks_something_opens_the_microphone_once_it_was_heard(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SETTLE_SECONDS", 0.0)
    question = "Which room do you mean, the kitchen or the bedroom?"
    await scene.answer(question)
    assert scene.speech.sent_of(Listen) == []
    scene.speech.silence(len(question))
    await until(lambda: bool(scene.speech.sent_of(Listen)))
    assert scene.speech.sent_of(Listen)[0].no_speech_seconds == 5.0
    scene.speech.hear("which room do you mean", cause="asked", own_words=True)
    await asyncio.sleep(0)
    assert len(scene.assistant.requests) == 1
    await scene.ask("The kitchen.")


async def test_an_answer_that_asks_nothing_or_was_cut_opens_no_microphone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SETTLE_SECONDS", 0.0)
    await scene.answer(ANSWER)
    scene.speech.silence(len(ANSWER))
    await scene.answer("Which room do you mean, please?")
    scene.speech.silence(3, "stopped")
    await asyncio.sleep(0.05)
    assert scene.speech.sent_of(Listen) == []


async def test_a_failed_turn_is_told_aloud(scene: Scene) -> None:
    turn = await scene.ask()
    scene.assistant.fail(turn, "MODEL_WORKER_DIED")
    await until(lambda: scene.speech.said_all)
    assert scene.speech.spoken == ["Sorry, that did not work."]


async def test_a_refused_question_is_told_aloud(scene: Scene) -> None:
    scene.assistant.error = EdgeError("BUSY", "too many people ask at once; try again later")
    scene.speech.hear("hello there")
    await until(lambda: scene.speech.said_all)
    assert scene.speech.spoken == ["Sorry, that did not work."]


async def test_an_answer_of_which_nothing_can_be_said_ends_with_a_sign(scene: Scene) -> None:
    turn = await scene.ask()
    scene.assistant.say(turn, "😀 ")
    scene.assistant.finish(turn)
    await until(lambda: scene.phase == "idle")
    assert scene.speech.sent_of(PlayEarcon)[0].earcon == "nothing"
    assert scene.speech.sent_of(SayBegin) == scene.speech.sent_of(SayEnd) == []


async def test_muting_closes_the_microphone_and_is_shown(scene: Scene) -> None:
    scene.voice.mute(True)
    assert scene.speech.sent == [Mute(muted=True)]
    assert (scene.phase, scene.voice.status.muted) == ("muted", True)
    scene.voice.press()
    assert scene.speech.sent_of(Listen) == []
    scene.voice.mute(False)
    assert scene.phase == "idle"


async def test_a_held_button_listens_until_it_is_let_go(scene: Scene) -> None:
    scene.voice.press()
    assert scene.speech.sent_of(Listen)[0].hold
    utterance = scene.speech.begin("asked")
    scene.voice.release()
    assert scene.speech.sent_of(EndListening) == [EndListening(utterance=utterance)]


async def test_a_lost_microphone_is_an_error_until_it_is_back(scene: Scene) -> None:
    scene.speech.emit(DeviceChanged(direction="input", condition="lost", reason="unplugged"))
    assert (scene.phase, scene.voice.status.detail) == ("error", "unplugged")
    scene.speech.emit(DeviceChanged(direction="input", condition="open", name="mic"))
    assert scene.phase == "idle"


async def test_without_a_usable_transcriber_it_says_why(scene: Scene) -> None:
    states = (EngineState(role="transcriber", name="whisper", usable=False, reason="no model: pull it"),)
    scene.speech.emit(Ready(engines=states))
    assert (scene.phase, scene.voice.status.detail) == ("error", "no model: pull it")
    fallback = EngineState(role="transcriber", name="vosk", usable=True)
    scene.speech.emit(Ready(engines=(*states, fallback)))
    assert scene.phase == "idle"


async def test_a_worker_that_is_gone_is_an_error_and_nothing_breaks(scene: Scene) -> None:
    scene.speech.gone = True
    turn = await scene.ask()
    scene.assistant.say(turn, ANSWER)
    scene.assistant.finish(turn)
    await until(lambda: not scene.speech.said_all and scene.phase == "error")
    scene.speech.gone = False
    scene.speech.emit(Ready(engines=()))
    scene.speech.silence(0, "failed", turn)
    assert scene.phase == "idle"


async def test_a_worker_that_never_ends_an_utterance_is_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LONGEST_LISTENING_SECONDS", 0.01)
    utterance = scene.speech.begin()
    await until(lambda: scene.phase == "idle")
    assert scene.speech.sent_of(EndListening) == [EndListening(utterance=utterance, discard=True)]


async def test_a_conversation_goes_on_until_a_long_silence(make: Any) -> None:
    scene: Scene = await make(session_minutes=0)
    await scene.ask()
    await scene.ask("And now?")
    assert scene.assistant.requests[0].session != scene.assistant.requests[1].session


async def test_the_stages_of_an_exchange_are_timed(scene: Scene) -> None:
    await scene.answer(ANSWER)
    timings = scene.voice.status.timings
    assert timings is not None
    assert (timings.endpoint_ms, timings.sound_ms) == (350.0, 1000.0)


async def test_a_slow_answer_begins_with_a_reserve_and_is_handed_over_before_the_voice_runs_dry(
    scene: Scene,
) -> None:
    turn = await scene.ask()
    sentence = "The sun is a star, and it shines on everything that lives"
    pieces = [f"{word} " for word in sentence.split()]
    for piece in pieces:
        scene.assistant.say(turn, piece)
        await asyncio.sleep(0.12)
        if scene.speech.spoken and not scene.speech.sent_of(SayStop) and scene.phase == "thinking":
            scene.speech.play()
    await until(lambda: len(scene.speech.spoken) >= 2)
    assert scene.speech.spoken[0] == "The sun is a star,"
    assert all(len(piece.split()) >= 2 for piece in scene.speech.spoken)
    assert not scene.speech.said_all
