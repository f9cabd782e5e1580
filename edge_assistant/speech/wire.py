"""Frames between the daemon and the `speech` worker; encoded as msgpack by `workers`.

Three kinds of things have a name:

* an *utterance* is something a person says. The worker numbers those that it opens itself (wake word,
  interruption) `u1`, `u2` …; the daemon names those that it asks for.
* a *saying* is something the device says. The daemon names it and hands over its text piece by piece.
* a *job* is sound or text that comes from elsewhere (a browser, an API): transcribed or synthesised
  without touching microphone or speaker.

Times `at` are CLOCK_MONOTONIC in seconds, of the moment the sound was in the room as well as the sound
server tells; they compare with `time.monotonic()` of any process on this machine. Sound on this wire is
mono s16le.
"""

from __future__ import annotations

from typing import Literal

import msgspec

EngineRole = Literal["wake", "voice", "transcriber", "synthesizer", "noise"]
Direction = Literal["input", "output"]
DeviceCondition = Literal["closed", "opening", "open", "lost", "muted"]
"""`lost`: it was there or is asked for, and can't be opened; the worker tries again with backoff."""

ListeningCause = Literal["wake", "interruption", "asked"]
ListeningOutcome = Literal["heard", "nothing", "discarded", "failed"]
"""`heard`: a `TranscriptFinal` came before; `nothing`: nobody spoke, or no word was understood."""

SayingOutcome = Literal["drained", "stopped", "failed"]
Earcon = Literal["listening", "heard", "nothing", "error", "timer"]


class SpeechSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker needs to start; part of the handshake."""

    models: str
    """Folder of pulled models."""
    input: str = ""
    """Microphone: a part of its name or its number; empty is the system's default, `off` opens none."""
    output: str = ""
    """Speaker, the same."""
    wake_words: tuple[str, ...] = ("okay_nabu",)
    """Built-in names, or phrases; empty listens only when asked."""
    wake_threshold: float = 0.0
    """0 takes the cutoff that the makers of each model advise."""
    stop_words: tuple[str, ...] = ()
    """The same, or paths of microWakeWord models; armed only while something is said."""
    transcribers: tuple[str, ...] = ("whisper",)
    """Engines in order of preference; when one fails the next answers."""
    transcriber_model: str = "whisper-tiny.en-int8"
    vosk_model: str = ""
    """Catalogue id or path of a Vosk model: for streaming partials and for wake phrases."""
    synthesizers: tuple[str, ...] = ("piper", "espeak")
    voice: str = "piper-en-us-joe-medium"
    speed: float = 1.0
    volume: float = 1.0
    noise_suppression: bool = False
    language: str = "en"
    remote_url: str = ""
    """OpenAI-compatible server for the engine `openai`."""
    remote_model: str = ""
    remote_key: str = ""
    earcons: bool = True


# --- the daemon's commands ---------------------------------------------------------------------------------


class Listen(msgspec.Struct, frozen=True, tag="listen", kw_only=True):
    """Open an utterance now, without a wake word: push-to-talk, follow-up, `listen`."""

    utterance: str
    preroll_seconds: float = 0.0
    """How much of what was heard before this moment belongs to it; 3 at most."""
    no_speech_seconds: float | None = None
    """Other than the settings' when set: a follow-up window is short."""
    hold: bool = False
    """True while a button is held: silence does not end it, `EndListening` does."""
    earcon: bool = True


class EndListening(msgspec.Struct, frozen=True, tag="listen.end", kw_only=True):
    """Close an utterance: transcribe what there is, or drop it and everything speculative about it."""

    utterance: str
    discard: bool = False


class SayBegin(msgspec.Struct, frozen=True, tag="say.begin", kw_only=True):
    """Begin to say something; text follows. Sayings are played in the order they were begun."""

    saying: str
    voice: str = ""
    """Catalogue id of a voice; empty is the configured one."""
    interruptible: bool = True
    """Whether a voice while it is said opens an utterance; false for what must be said to its end."""
    urgent: bool = False
    """Played at once: what is being said is paused and goes on afterwards (alarms)."""


class SayAppend(msgspec.Struct, frozen=True, tag="say.append", kw_only=True):
    """One more piece of a saying: a clause or a sentence, made speakable. Played without a gap."""

    saying: str
    text: str
    characters: int = 0
    """How many characters of the answer as written this piece stands for; 0 is `len(text)`."""


class SayEnd(msgspec.Struct, frozen=True, tag="say.end", kw_only=True):
    """No more text comes: only this ends a saying, never a gap."""

    saying: str


class SayStop(msgspec.Struct, frozen=True, tag="say.stop", kw_only=True):
    """Fall silent at once and drop the rest; empty stops every saying. Answered by `SayingEnded`."""

    saying: str = ""


class SayPause(msgspec.Struct, frozen=True, tag="say.pause", kw_only=True):
    """Fall silent at once but keep the rest; answered by `SayingPaused`."""

    saying: str


class SayResume(msgspec.Struct, frozen=True, tag="say.resume", kw_only=True):
    """Go on after a pause, from the beginning of the word that was interrupted."""

    saying: str


class PlayEarcon(msgspec.Struct, frozen=True, tag="earcon", kw_only=True):
    """Play a short sign."""

    earcon: Earcon


class Mute(msgspec.Struct, frozen=True, tag="mute", kw_only=True):
    """Close the microphone's stream, or open it again. What was being heard is discarded."""

    muted: bool


class SetVolume(msgspec.Struct, frozen=True, tag="volume", kw_only=True):
    """Set the loudness of everything played, 0 to 1; also of what is being played."""

    volume: float


class SetThreshold(msgspec.Struct, frozen=True, tag="threshold", kw_only=True):
    """Set the certainty from which the wake word counts; 0 takes what its makers advise."""

    threshold: float


class MeterLevel(msgspec.Struct, frozen=True, tag="meter", kw_only=True):
    """Send `Level` ten times a second while true."""

    on: bool


class TranscribeBegin(msgspec.Struct, frozen=True, tag="transcribe.begin", kw_only=True):
    """Begin a job: sound from elsewhere becomes text, with partials where the engine has them."""

    job: str
    sample_rate_hz: int = 16_000


class TranscribeAppend(msgspec.Struct, frozen=True, tag="transcribe.append", kw_only=True):
    """More sound of a job; 60 s together at most."""

    job: str
    pcm: bytes


class TranscribeEnd(msgspec.Struct, frozen=True, tag="transcribe.end", kw_only=True):
    """The sound is complete; answered by `JobTranscript` with `final` set, or `JobFailed`."""

    job: str


class Synthesize(msgspec.Struct, frozen=True, tag="synthesize", kw_only=True):
    """A job: text becomes sound for a listener elsewhere; answered by `JobSound`, the last one marked."""

    job: str
    text: str
    voice: str = ""
    speed: float = 1.0


class CancelJob(msgspec.Struct, frozen=True, tag="job.cancel", kw_only=True):
    """Drop a job; nothing more comes of it."""

    job: str


Command = (
    Listen
    | EndListening
    | SayBegin
    | SayAppend
    | SayEnd
    | SayStop
    | SayPause
    | SayResume
    | PlayEarcon
    | Mute
    | SetVolume
    | SetThreshold
    | MeterLevel
    | TranscribeBegin
    | TranscribeAppend
    | TranscribeEnd
    | Synthesize
    | CancelJob
)


# --- the worker's events -----------------------------------------------------------------------------------


class EngineState(msgspec.Struct, frozen=True, kw_only=True):
    """One engine: whether it can be used, and if not why."""

    role: EngineRole
    name: str
    usable: bool
    reason: str = ""
    """Why not, with what to do; empty when usable."""
    load_ms: float = 0.0
    """0 until it was loaded: engines load when they are first needed."""


class Ready(msgspec.Struct, frozen=True, tag="ready", kw_only=True):
    """The worker is set up. Devices may still be opening: `DeviceChanged` tells."""

    engines: tuple[EngineState, ...]
    echo_cancelled: bool = False
    """True when the sound server takes our own sound out of the microphone's: then any voice may
    interrupt; otherwise only wake and stop words do."""


class EngineChanged(msgspec.Struct, frozen=True, tag="engine", kw_only=True):
    """An engine was loaded, failed, or fell back to the next one."""

    engine: EngineState


class DeviceChanged(msgspec.Struct, frozen=True, tag="device", kw_only=True):
    """Microphone or speaker changed its condition."""

    direction: Direction
    condition: DeviceCondition
    name: str = ""
    sample_rate_hz: int = 0
    reason: str = ""


class WakeHeard(msgspec.Struct, frozen=True, tag="wake", kw_only=True):
    """The wake word was heard; `ListeningBegan` follows unless the microphone is muted."""

    word: str
    score: float
    at: float
    """Its end."""


class WakeMissed(msgspec.Struct, frozen=True, tag="wake.near", kw_only=True):
    """Something came near the wake word but stayed below the cutoff; `count` since the start."""

    word: str
    score: float
    count: int


class StopHeard(msgspec.Struct, frozen=True, tag="stop.heard", kw_only=True):
    """A stop word was heard while something was said or rang; the worker is silent already."""

    word: str
    at: float


class ListeningBegan(msgspec.Struct, frozen=True, tag="listening", kw_only=True):
    """An utterance is open. `interruption`: somebody speaks while the device does (echo cancelled)."""

    utterance: str
    cause: ListeningCause
    at: float


class SpeechBegan(msgspec.Struct, frozen=True, tag="speech.began", kw_only=True):
    """The person began to speak."""

    utterance: str
    at: float


class SpeechPaused(msgspec.Struct, frozen=True, tag="speech.paused", kw_only=True):
    """200 ms of silence: what was said so far is being transcribed, as this `revision`."""

    utterance: str
    revision: int
    at: float
    """The last voiced moment."""


class SpeechResumed(msgspec.Struct, frozen=True, tag="speech.resumed", kw_only=True):
    """They go on: everything speculative about this utterance is out of date."""

    utterance: str
    at: float


class TranscriptPartial(msgspec.Struct, frozen=True, tag="transcript.partial", kw_only=True):
    """What was understood so far; a later one replaces it.

    `settled` is true when it covers everything until a pause (the `revision` of `SpeechPaused`): worth
    retrieving and prefilling on. Streaming engines also send unsettled ones while somebody speaks.
    """

    utterance: str
    revision: int
    text: str
    settled: bool


class TranscriptFinal(msgspec.Struct, frozen=True, tag="transcript.final", kw_only=True):
    """The person finished; this is what they said. `ListeningEnded` follows."""

    utterance: str
    text: str
    cause: ListeningCause
    speech_ended_at: float
    """The last voiced moment: what `end of speech → first sound` is measured from."""
    endpoint_ms: float
    """From there until the decision that they had finished."""
    transcript_ms: float
    """From the decision until this text; near 0 when the settled partial was still valid."""
    speech_seconds: float
    revision: int
    """Equal to that of the settled partial with the same text, when there was one."""
    own_words: bool = False
    """The device heard itself: not to be answered."""
    wake_confirmed: bool | None = None
    """Whether the first transcript agrees that the wake word was said; None when not checked."""


class ListeningEnded(msgspec.Struct, frozen=True, tag="listening.ended", kw_only=True):
    """An utterance is closed; the worker waits for the wake word again."""

    utterance: str
    outcome: ListeningOutcome
    code: str = ""
    """Stable code of the error when `failed`."""
    message: str = ""


class SayingBegan(msgspec.Struct, frozen=True, tag="saying.began", kw_only=True):
    """Its first sample reaches the speaker at `at`."""

    saying: str
    at: float


class SayingProgressed(msgspec.Struct, frozen=True, tag="saying.progress", kw_only=True):
    """So much of it was heard: `characters` of the answer as written, up to a whole word."""

    saying: str
    characters: int
    seconds: float


class SayingPaused(msgspec.Struct, frozen=True, tag="saying.paused", kw_only=True):
    """It is silent since `at`; `characters` were heard."""

    saying: str
    characters: int
    at: float


class SayingResumed(msgspec.Struct, frozen=True, tag="saying.resumed", kw_only=True):
    """It goes on."""

    saying: str
    at: float


class SayingEnded(msgspec.Struct, frozen=True, tag="saying.ended", kw_only=True):
    """It is over: its last sample was heard at `at`. Only now may a follow-up microphone open."""

    saying: str
    outcome: SayingOutcome
    characters: int
    """What was heard of the answer as written."""
    seconds: float
    at: float
    code: str = ""
    message: str = ""


class Level(msgspec.Struct, frozen=True, tag="level", kw_only=True):
    """How loud the microphone is, in dB below full scale (0 is the loudest)."""

    rms_db: float
    peak_db: float


class JobTranscript(msgspec.Struct, frozen=True, tag="job.transcript", kw_only=True):
    """What a job's sound says, so far or at last."""

    job: str
    text: str
    final: bool


class JobSound(msgspec.Struct, frozen=True, tag="job.sound", kw_only=True):
    """The next sound of a job; the last one may be empty."""

    job: str
    pcm: bytes
    sample_rate_hz: int
    last: bool


class JobFailed(msgspec.Struct, frozen=True, tag="job.failed", kw_only=True):
    """A job could not be done."""

    job: str
    code: str
    message: str


class Failed(msgspec.Struct, frozen=True, tag="failed", kw_only=True):
    """Something that belongs to no utterance, saying or job went wrong; the client tells a dead worker so."""

    code: str
    message: str


Event = (
    Ready
    | EngineChanged
    | DeviceChanged
    | WakeHeard
    | WakeMissed
    | StopHeard
    | ListeningBegan
    | SpeechBegan
    | SpeechPaused
    | SpeechResumed
    | TranscriptPartial
    | TranscriptFinal
    | ListeningEnded
    | SayingBegan
    | SayingProgressed
    | SayingPaused
    | SayingResumed
    | SayingEnded
    | Level
    | JobTranscript
    | JobSound
    | JobFailed
    | Failed
)
