"""Whisper through CTranslate2: whole utterances, no partial text while somebody speaks."""

from __future__ import annotations

import logging
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_assistant.errors import SpeechError
from edge_assistant.speech.completeness import conjunctions
from edge_assistant.speech.protocol import Woken
from edge_assistant.speech.wakecheck import WakeCheck

logger = logging.getLogger(__name__)

_NO_SPEECH = 0.6
_UNSURE = -1.0
"""OpenAI's own thresholds (whisper/transcribe.py): a segment that is probably no speech and whose words
are unlikely is an invention of the model on noise."""


_RATE_HZ = 16_000
_FRAMES_PER_SECOND = 100
_WINDOW_SECONDS = 10.0
"""Whisper was made for 30 s, and the encoder's time grows with it. Commands are short: with a window of
10 s tiny.en took 86 instead of 377 ms, and understood 77 of them as well; shorter ones hear less."""

_ROOM_SECONDS = 1.0
"""Silence behind the last word, which ends the text."""

_LONGEST_SECONDS = 29.0
"""Beyond it the library cuts the sound into windows."""


_MAY_JOIN = -4.5
"""Log probability from which a conjunction may have been said (tiny.en and Piper's joe: 98 of 100
commands that end on one are above it, or end on one as they are written; 2 of 212 others are)."""


_LIKELY = {"okay nabu": -11.5, "hey mycroft": -7.0}
_LIKELY_AS_A_RULE = -2.0
"""Log likelihood, against that of what Whisper writes by itself, from which a wake word was said.

Whisper does not expect a word like "Nabu": it writes "Ok Arbu", or a sentence ("Okay, now I'm going to turn
on the light"). Made to begin with the wake word it tells how well that fits the sound. With tiny.en it was at
least -6.5 in 50 commands by Piper and -11.4 in 39 of 40 by four voices of espeak-ng; of 44 near phrases that
the detector took, 40 had less than -11.5, and "okay bamboo" has -13 to -10. How unexpected a word is decides:
"hey mycroft" had -8.5 and more, its neighbours -7.7 and less; "hey jarvis" and "alexa", which Whisper knows,
-0.8 and more, and of their 22 neighbours two more than -2."""

_LEEWAY = 5.0
"""So much less is enough where nothing is at stake, because nothing follows yet, or no more is to be had: the
detector is sure and the room noisy. At 10 dB 54 of 58 had more, and 4 of the 14 near phrases it took."""

_LOOPING = 2.4
"""A text that can be packed so many times smaller is a loop (whisper/transcribe.py): it is looked at again
with a wider search, and when that loops too, each thing is taken as said once."""

_REPEATED = re.compile(r"\b(\w.*?)(?:\W+\1\b)+", re.DOTALL)

_WIDE_BEAM = 5
_TOKENS_PER_SECOND, _TOKENS_MORE = 10, 20
"""Nobody says more in English, for which a token is a word or nearly; a loop would go on for 224 tokens,
which is more than a second."""

_MOST_TOKENS = 448
"""Whisper's own context."""


class WhisperTranscriber:
    """faster-whisper with a model of the catalogue."""

    name = "whisper"
    streaming = False

    def __init__(self, model: Path, *, language: str = "en", threads: int = 0) -> None:
        """Load the folder `model`; raises `SpeechError` ENGINE_MISSING or MODEL_CORRUPT."""
        os.environ["HF_HUB_OFFLINE"] = "1"  # its library shall never look for newer models
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            message = "faster-whisper can't be loaded: install `[voice]`"
            raise SpeechError("ENGINE_MISSING", message) from error
        try:
            self._model = WhisperModel(
                str(model),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads or max(1, len(os.sched_getaffinity(0)) // 2),
                local_files_only=True,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise SpeechError("MODEL_CORRUPT", f"{model.name} can't be loaded; pull it again") from error
        self._language = language.split("-", maxsplit=1)[0] if self._model.model.is_multilingual else "en"

    def open(self, woken: Woken | None = None) -> WhisperHearing:
        """Begin an utterance."""
        return WhisperHearing(self._model, self._language, woken)


class WhisperHearing:
    """Collects an utterance; `text` transcribes all of it anew."""

    def __init__(self, model: Any, language: str, woken: Woken | None = None) -> None:
        from faster_whisper.tokenizer import Tokenizer

        self._model = model
        self._language = language
        self._tokenizer = Tokenizer(
            model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
        )
        self._pieces: list[bytes] = []
        self._wake = WakeCheck(woken.word, strict=True) if woken else None
        self._in_noise = woken is not None and woken.in_noise
        self._joining = _tokens(self._tokenizer, conjunctions(language))
        self.unfinished = False
        """A conjunction was nearly as likely as the last word: Whisper does not believe in sentences that
        end on one, and makes "in the kitchen end" of "in the kitchen and"."""

    def feed(self, pcm: bytes) -> str | None:
        """Keep more sound."""
        self._pieces.append(pcm)
        return None

    def text(self) -> str:
        """Return what was said so far; raises `SpeechError` TRANSCRIPTION_FAILED."""
        samples = np.frombuffer(b"".join(self._pieces), np.int16).astype(np.float32) / np.float32(32768)
        if not len(samples):
            return ""
        try:
            return self._transcribe(samples)
        except (RuntimeError, ValueError) as error:
            raise SpeechError("TRANSCRIPTION_FAILED", f"Whisper failed: {error}") from error

    def _transcribe(self, samples: NDArray[np.float32]) -> str:
        seconds = len(samples) / _RATE_HZ
        if seconds + _ROOM_SECONDS > _LONGEST_SECONDS:
            return self._transcribe_long(samples)
        window = max(_WINDOW_SECONDS, seconds + _ROOM_SECONDS)
        padded = np.pad(samples, (0, round(window * _RATE_HZ) - len(samples)))
        frames = round(window * _FRAMES_PER_SECOND) // 2 * 2  # the encoder takes them by twos
        features = self._model.feature_extractor(padded)[:, :frames]
        sound = _Sound(self._model, self._tokenizer, self._model.encode(features), frames)
        written = sound.written(seconds)
        if self._wake is not None and written.text and not self._wake(written.text).confirmed:
            written = sound.said_after(self._wake, written, seconds, in_noise=self._in_noise)
        self.unfinished = self._could_join(written)
        return written.text

    def _could_join(self, written: _Written) -> bool:
        """Return whether a conjunction may have stood in the place of the last word, or behind it."""
        texts = [self._tokenizer.decode([each]) for each in written.ids]
        end = len(texts)
        while end and not any(map(str.isalnum, texts[end - 1])):
            end -= 1
        begin = max(end - 1, 0)
        while begin and not texts[begin].startswith(" "):
            begin -= 1
        places = [place for place in (begin, end) if 0 < place < len(written.logits)]
        return any(_likeliest(written.logits[place], self._joining) > _MAY_JOIN for place in places)

    def _transcribe_long(self, samples: NDArray[np.float32]) -> str:
        self.unfinished = False
        segments, _ = self._model.transcribe(
            samples,
            language=self._language,
            beam_size=1,
            temperature=0.0,
            without_timestamps=True,
            condition_on_previous_text=False,
        )
        kept = (s.text.strip() for s in segments if s.no_speech_prob < _NO_SPEECH or s.avg_logprob > _UNSURE)
        return " ".join(text for text in kept if text)


class _Written(msgspec.Struct, frozen=True):
    """What Whisper made of a sound."""

    text: str
    ids: Sequence[int]
    logits: Sequence[Any]
    """Of each token, and of the end; empty when they are not known, as after a wide search."""
    invented: bool = False
    """Probably there was no speech."""


_NOTHING = _Written("", (), ())


class _Sound:
    """A sound that Whisper has encoded: it can be asked about it more than once."""

    def __init__(self, model: Any, tokenizer: Any, encoded: Any, frames: int) -> None:
        self._model = model.model
        self._tokenizer = tokenizer
        self._encoded = encoded
        self._frames = frames
        self._prompt: list[int] = model.get_prompt(tokenizer, [], without_timestamps=True)
        self._bounded = not model.model.is_multilingual

    def written(self, seconds: float) -> _Written:
        """Return what Whisper writes by itself; nothing when that is its invention."""
        found = self._generate(seconds)
        if _loops(found.text):
            found = self._generate(seconds, beam=_WIDE_BEAM)
            if _loops(found.text):
                once = _REPEATED.sub(r"\1", found.text)
                found = _Written(once, self._tokenizer.encode(f" {once}"), (), invented=found.invented)
        return _NOTHING if found.invented else found

    def said_after(self, wake: WakeCheck, free: _Written, seconds: float, *, in_noise: bool) -> _Written:
        """Return what was said if it began with a wake word; `free` when that is not likely."""
        spelled = " ".join(map(str.capitalize, wake.phrase.split()))
        named = self._tokenizer.encode(f" {spelled},")
        meant = self._generate(seconds, named)
        if alone := wake(wake(meant.text).rest).confirmed:  # nothing follows yet: it repeats the word
            meant = _Written(spelled, named, ())
        likely = _LIKELY.get(wake.phrase, _LIKELY_AS_A_RULE) - (_LEEWAY if alone or in_noise else 0)
        try:
            ratio = self._likelihood(meant.ids) - self._likelihood(free.ids)
        except RuntimeError as error:  # a conversion without `alignment_heads`
            logger.info("this model can't tell how likely a wake word is: %s", error)
            return free
        return meant if ratio >= likely and not _loops(meant.text) else free

    def _generate(self, seconds: float, begun: Sequence[int] = (), *, beam: int = 1) -> _Written:
        most = _MOST_TOKENS
        if self._bounded:
            most = len(begun) + _TOKENS_MORE + round(_TOKENS_PER_SECOND * seconds)
        found = self._model.generate(
            self._encoded,
            [[*self._prompt, *begun]],
            beam_size=beam,
            max_length=min(_MOST_TOKENS, 2 * most),  # the library halves it
            return_scores=True,
            return_no_speech_prob=True,
            return_logits_vocab=beam == 1,
        )[0]
        ids = found.sequences_ids[0]
        return _Written(
            self._tokenizer.decode(ids).strip(),
            ids,
            found.logits[0] if beam == 1 else (),
            invented=found.no_speech_prob >= _NO_SPEECH and found.scores[0] <= _UNSURE,
        )

    def _likelihood(self, ids: Sequence[int]) -> float:
        """Return the log likelihood of a text."""
        start = list(self._tokenizer.sot_sequence)  # the library itself adds that there are no timestamps
        found = self._model.align(self._encoded, start, [list(ids)], [self._frames])[0]
        return float(np.log(np.maximum(found.text_token_probs, 1e-9)).sum())


def _loops(text: str) -> bool:
    data = text.encode()
    return len(data) > _LOOPING * len(zlib.compress(data))


def _tokens(tokenizer: Any, words: Sequence[str]) -> list[int]:
    """Return the tokens of those words that are one token in the middle of a sentence."""
    every = [tokenizer.encode(f" {word}") for word in words]
    return [each[0] for each in every if len(each) == 1]


def _likeliest(logits: Any, tokens: Sequence[int]) -> float:
    """Return the log probability of the likeliest of these tokens."""
    values = np.asarray(logits, np.float64).reshape(-1)
    values -= values.max()
    return float(values[list(tokens)].max() - np.log(np.exp(values).sum())) if tokens else -np.inf
