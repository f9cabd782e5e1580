"""Recordings: decoded in a closed process, understood by the real Whisper, cited by the moment."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from edge_assistant.documents.block import SOUND_RATE_HZ, SOUND_SECONDS, Sound
from edge_assistant.documents.document import Document
from edge_assistant.documents.files import FileReaders
from edge_assistant.documents.finding import clock
from edge_assistant.documents.ingest import Ingest
from edge_assistant.documents.library import Library, Reader
from edge_assistant.documents.listening import SpeechListener, blocks_of, without_echoes
from edge_assistant.documents.readers import sound as reader
from edge_assistant.documents.refusal import Refusal
from edge_assistant.errors import DocumentError
from edge_assistant.memory.embedding import NoEmbedder
from edge_assistant.memory.search import SearchIndex
from edge_assistant.speech.wire import SpeechSettings
from edge_assistant.store.database import Database
from tests.documents import samples
from tests.hearing import Samples

ANN = Reader("ann")
FIRST = "The plumber comes on Thursday morning and repairs the shower."
SECOND = "The new bicycle of my daughter has a red saddle and a silver bell."
PAUSE = np.zeros(25 * SOUND_RATE_HZ, np.int16)


@pytest.fixture
def memo(spoken: Callable[[str], Samples]) -> Samples:
    return np.concatenate([spoken(FIRST), PAUSE, spoken(SECOND)])


class Bench:
    """A library that reads what is added."""

    def __init__(self, database: Database, listener: SpeechListener) -> None:
        index = SearchIndex(database, NoEmbedder("m"))
        self.library = Library(database, index, max_bytes=100 << 20)
        self.ingest = Ingest(self.library, database, index, FileReaders(), None, listener=listener)

    async def read(self, path: Path) -> Document:
        document = (await self.library.add_files([path], "ann"))[0]
        async with asyncio.timeout(120):
            while (found := await self.library.get(document.id, ANN)).state not in {"ready", "failed"}:
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "assistant.db", secrets.token_bytes(32))
    yield opened
    await opened.close()


@pytest.fixture
async def bench(database: Database, voice_models: Path) -> AsyncIterator[Bench]:
    bench = Bench(database, SpeechListener(lambda: SpeechSettings(models=str(voice_models))))
    await bench.ingest.start()
    yield bench
    await bench.ingest.stop()


async def test_what_is_said_in_a_recording_is_found_with_the_moment(
    bench: Bench, memo: Samples, tmp_path: Path
) -> None:
    path = samples.recording(tmp_path / "memo.m4a", memo, title="House notes")
    document = await bench.read(path)
    assert (document.state, document.kind, document.title) == ("ready", "audio", "House notes")
    (first,) = await bench.library.search("when does the plumber come", ANN, k=1)
    assert first.where == "0:00"
    found = await bench.library.search("bicycle with a red saddle", ANN, k=5)
    assert "saddle" in "".join(each.text for each in found)


@pytest.mark.parametrize("ending", ["wav", "mp3", "m4a", "ogg", "flac", "webm"])
async def test_every_usual_kind_of_recording_is_decoded_where_nothing_can_be_reached(
    ending: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(7)
    noise = generator.integers(-3000, 3000, 40 * SOUND_RATE_HZ, np.int16)
    path = samples.recording(tmp_path / f"a.{ending}", noise)
    files = FileReaders()
    try:
        async with files.open(path) as document:
            pieces = [each async for each in document.sounds()]
    finally:
        await files.stop()
    assert document.about.kind == "audio"
    assert sum(len(each.pcm) for each in pieces) / 2 / SOUND_RATE_HZ == pytest.approx(40, abs=0.2)
    assert pieces[0].second == 0
    assert 15 <= pieces[1].second <= SOUND_SECONDS


def test_a_piece_ends_in_the_pause_between_two_words() -> None:
    speech = np.full(20 * SOUND_RATE_HZ, 4000, np.int16)
    silence = np.zeros(SOUND_RATE_HZ, np.int16)
    whole = np.concatenate([speech, silence, speech]).tobytes()
    first, second = reader.pieces([whole])
    assert 20 < len(first.pcm) / 2 / SOUND_RATE_HZ < 21
    assert first.pcm + second.pcm == whole


async def test_what_holds_no_words_says_so(bench: Bench, tmp_path: Path) -> None:
    silence = samples.recording(tmp_path / "silence.mp3", PAUSE)
    torn = tmp_path / "torn.m4a"
    torn.write_bytes(samples.recording(tmp_path / "a.m4a", PAUSE).read_bytes()[:500])
    film = samples.silent_film(tmp_path / "film.mp4")
    codes = [(await bench.read(path)).code for path in (silence, torn, film)]
    assert codes == ["DOCUMENT_NO_SPEECH", "DOCUMENT_BROKEN", "DOCUMENT_NO_SOUND"]


async def test_a_device_without_the_model_says_what_to_pull(
    database: Database, memo: Samples, tmp_path: Path
) -> None:
    bench = Bench(database, SpeechListener(lambda: SpeechSettings(models=str(tmp_path / "none"))))
    await bench.ingest.start()
    document = await bench.read(samples.recording(tmp_path / "memo.ogg", memo))
    await bench.ingest.stop()
    assert document.code == "DOCUMENT_NO_EARS"
    assert "whisper-tiny.en-int8" in document.message


async def test_no_recording_is_sent_to_an_engine_elsewhere(tmp_path: Path) -> None:
    settings = SpeechSettings(
        models=str(tmp_path),
        transcribers=("openai", "whisper"),
        remote_url="http://127.0.0.1:9",
        remote_key="k",
    )
    asked = SpeechListener(lambda: settings).settings()
    assert (asked.transcribers, asked.remote_key, asked.input) == (("whisper",), "", "off")


async def test_what_lasts_too_long_is_refused_whoever_finds_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_assistant.documents.readers.sound.RECORDING_SECONDS", 60)
    monkeypatch.setattr("edge_assistant.documents.listening.RECORDING_SECONDS", 60)
    minute = bytes(60 * SOUND_RATE_HZ * 2)
    with pytest.raises(Refusal, match="may last"):
        list(reader.pieces([minute, minute]))

    async def endless() -> AsyncIterator[Sound]:
        while True:
            yield Sound(pcm=bytes(28 * SOUND_RATE_HZ * 2), second=0)

    async def hear(pcm: bytes) -> str:
        return "Word."

    with pytest.raises(DocumentError, match="too much sound"):
        await blocks_of(endless(), hear)


def test_what_whisper_says_over_and_over_is_kept_once() -> None:
    said = "The saddle is red. The bell rings. The saddle is red. The bell rings. The saddle"
    assert without_echoes(said) == "The saddle is red. The bell rings. The saddle"


def test_a_moment_is_told_as_players_show_it() -> None:
    assert [clock(each) for each in (0, 65, 3725)] == ["0:00", "1:05", "1:02:05"]
