"""Vosk: partial text while somebody speaks, and any phrase as a wake word."""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_assistant.errors import SpeechError
from edge_assistant.speech.protocol import SAMPLE_RATE_HZ, Detection, Woken

PHRASE_CUTOFF = 0.8
"""Least confidence of each word of a phrase; ours, between what phrases and other speech reached."""


_KOREAN = (
    "그 네 아니 우리 나 너 이 오늘 내일 사람 집 물 것 수 등 년 일 영 오후 아이 의 가 에 은 를 "
    "보 지금 시간 하다 있다 세 개 두 한 말 때 더 안 못 잘 왜 뭐 어디 누구"
)
_OTHER_SPEECH = ("[unk]", *_KOREAN.split())
"""What a grammar takes all other speech for. Most models have a word for that; the Korean one has none,
takes whatever is said for the phrase, and needs words of every kind to choose from."""


class VoskModel:
    """A loaded Vosk model, shared by the recognisers that work on it."""

    def __init__(self, folder: Path) -> None:
        """Load the model in `folder`, or in a zip there.

        Raises `SpeechError` ENGINE_MISSING or MODEL_CORRUPT.
        """
        try:
            import vosk
        except (ImportError, OSError) as error:
            raise SpeechError("ENGINE_MISSING", "vosk can't be loaded: install `[voice]`") from error
        vosk.SetLogLevel(-2)  # it would print what it hears
        try:
            with _unpacked(folder) as files:
                self._model = vosk.Model(model_path=str(files))
        except Exception as error:  # it raises nothing more precise
            raise SpeechError("MODEL_CORRUPT", f"{folder.name} can't be loaded; pull it again") from error
        self._library = vosk

    def recogniser(self, phrases: Sequence[str] = ()) -> Any:
        """Make a recogniser for anything, or for these phrases and what stands for all other speech.

        Raises `SpeechError` WAKE_WORD_UNKNOWN when the model has nothing that stands for it.
        """
        if not phrases:
            return self._library.KaldiRecognizer(self._model, SAMPLE_RATE_HZ)
        others = [word for word in _OTHER_SPEECH if self.knows(word)]
        if not others:
            message = "the Vosk model can't tell phrases from other speech: it has no word [unk]"
            raise SpeechError("WAKE_WORD_UNKNOWN", message)
        grammar = json.dumps([*phrases, *others], ensure_ascii=False)
        return self._library.KaldiRecognizer(self._model, SAMPLE_RATE_HZ, grammar)

    def knows(self, word: str) -> bool:
        """Tell whether a word is in the vocabulary: another one can't be heard."""
        return bool(self._model.vosk_model_find_word(word) >= 0)


class VoskTranscriber:
    """Streaming transcription."""

    name = "vosk"
    streaming = True

    def __init__(self, model: VoskModel) -> None:
        self._model = model

    def open(self, woken: Woken | None = None) -> VoskHearing:
        """Begin an utterance; its text alone tells whether that was the wake word."""
        del woken
        return VoskHearing(self._model.recogniser())


class VoskHearing:
    """One utterance; its text is at hand at any moment."""

    unfinished = False
    """Only the text tells."""

    def __init__(self, recogniser: Any) -> None:
        self._recogniser = recogniser
        self._done: list[str] = []
        """Texts of the parts that the engine has closed by itself, at long pauses."""
        self._partial = ""

    def feed(self, pcm: bytes) -> str | None:
        """Take more sound; return the new partial text, or None when it is as before."""
        before = self.text()
        if self._recogniser.AcceptWaveform(pcm):
            self._done.append(_text(self._recogniser.Result(), "text"))
            self._partial = ""
        else:
            self._partial = _text(self._recogniser.PartialResult(), "partial")
        now = self.text()
        return now if now != before else None

    def text(self) -> str:
        """Return what was said so far."""
        return " ".join(part for part in (*self._done, self._partial) if part)


class VoskPhraseDetector:
    """Hears phrases through a grammar that knows them and nothing else."""

    name = "vosk"
    suspected = ""
    """A phrase is heard at once or not at all."""

    def __init__(self, model: VoskModel, phrases: Sequence[str]) -> None:
        """Prepare for `phrases`; raises `SpeechError` WAKE_WORD_UNKNOWN for words not in the model."""
        self._phrases = {_plain(phrase): phrase for phrase in phrases}
        for phrase in self._phrases:
            if missing := [word for word in phrase.split() if not model.knows(word)]:
                raise SpeechError(
                    "WAKE_WORD_UNKNOWN", f"the Vosk model does not know the word {missing[0]!r}"
                )
        self._recogniser = model.recogniser(list(self._phrases))
        self._recogniser.SetWords(True)
        self._recogniser.SetPartialWords(True)

    def feed(self, pcm: bytes) -> Iterable[Detection]:
        """Take the next sound; a phrase is heard as soon as its last word is, not after a pause."""
        closed = self._recogniser.AcceptWaveform(pcm)
        result = json.loads(self._recogniser.Result() if closed else self._recogniser.PartialResult())
        words = result.get("result" if closed else "partial_result", [])
        detection = self._match(words)
        if detection is not None and (detection.accepted or closed):
            self._recogniser.Reset()
            return [detection]
        return []

    def tune(self, threshold: float) -> None:
        """Take that there is nothing to tune: a grammar hears a phrase or does not."""

    def reset(self) -> None:
        """Forget what was fed."""
        self._recogniser.Reset()

    def _match(self, words: list[dict[str, Any]]) -> Detection | None:
        spoken = " ".join(str(word["word"]) for word in words)
        for plain, phrase in self._phrases.items():
            if spoken == plain or spoken.endswith(f" {plain}"):
                tail = words[-len(plain.split()) :]
                score = min(float(word.get("conf", 1.0)) for word in tail)
                return Detection(phrase, round(score, 3), accepted=score >= PHRASE_CUTOFF)
        return None


@contextmanager
def _unpacked(folder: Path) -> Iterator[Path]:
    """Give the folder with a model's files: Vosk's site has models as a zip, which is open while it loads."""
    archive = next(folder.glob("*.zip"), None)
    if archive is None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="vosk") as scratch, zipfile.ZipFile(archive) as packed:
        packed.extractall(scratch)
        yield next((found.parents[1] for found in Path(scratch).rglob("am/final.mdl")), Path(scratch))


def _text(result: str, key: str) -> str:
    return str(json.loads(result).get(key, "")).replace("[unk]", "").strip()


def _plain(phrase: str) -> str:
    return " ".join(re.sub(r"[^\w']+", " ", phrase.lower()).split())
