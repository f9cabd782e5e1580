"""What can be configured: the sections, their keys, ranges and defaults.

The defaults work with no file at all. `docs/configuration.md` lists every key; a test keeps it so.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

DEFAULT_PERSONA = "default"
"""The persona that is always there."""

_LINE = r"^[^\x00-\x1f\x7f]{1,40}\Z"
_LINE_OR_NOTHING = r"^[^\x00-\x1f\x7f]{0,40}\Z"
_PERSONA = r"^[a-z0-9_-]{1,40}\Z"
_LANGUAGE = r"^[a-z]{2,3}(-[A-Z]{2})?\Z"
_NAME = r"^[A-Za-z0-9_.:-]{1,64}\Z"
_URL = r"^(https?://[^\s]+)?\Z"
_BROKER = r"^mqtts?://[^\s/@]+/?\Z"
_BROKER_OR_NOTHING = r"^(mqtts?://[^\s/@]+/?)?\Z"
_DEVICE = r"^(?!(cloud|fleet)\Z)[a-z0-9-]{0,40}\Z"
_SERIAL = r"^[A-Za-z0-9._:-]{0,64}\Z"
_TOPIC = r"^[^+#\x00-\x1f]{1,256}\Z"
_PREFIX = r"^[A-Za-z0-9_-]{0,64}\Z"

PATTERNS = {
    _LINE: "one line of 1 to 40 characters",
    _LINE_OR_NOTHING: "one line of at most 40 characters",
    _PERSONA: "a name of 1 to 40 small letters, digits, _ or -",
    _LANGUAGE: "a language such as `en` or `de-CH`",
    _NAME: "1 to 64 letters, digits or . _ : -",
    _BROKER: "an address such as `mqtt://192.168.1.20` or `mqtts://broker.lan:8883`, without a user",
    _BROKER_OR_NOTHING: "an address such as `mqtts://broker.example:8883`, without a user",
    _DEVICE: "a name of up to 40 small letters, digits or -, but not `cloud` or `fleet`",
    _SERIAL: "up to 64 letters, digits or . _ : -",
    _PREFIX: "up to 64 letters, digits, _ or -",
    _TOPIC: "an MQTT topic of 1 to 256 characters without + and #",
    _URL: "an address such as `http://192.168.1.20:8000/v1`",
}
"""What each pattern means, for error messages."""

PersonaId = Annotated[str, msgspec.Meta(pattern=_PERSONA)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: a key that nobody reads is a mistake, so unknown ones are refused."""


class AssistantSettings(Section, frozen=True):
    """`[assistant]`: who answers."""

    name: Annotated[str, msgspec.Meta(pattern=_LINE)] = "Nabu"
    """What the assistant calls itself."""
    persona: PersonaId = DEFAULT_PERSONA
    """How it speaks: `default` or a table below `[personas]`."""
    language: Annotated[str, msgspec.Meta(pattern=_LANGUAGE)] = "en"
    """Language of answers and of the page, as `en` or `de-CH`."""
    instructions: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    """Sentences that the model is told besides the persona's. Public: nothing about a person."""
    answers_per_minute: Annotated[float, msgspec.Meta(ge=0, le=100_000)] = 120
    """Answers of the model that one person may ask for in a minute, in the long run; 0 sets no limit."""
    answers_burst: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 120
    """How many of them at once, before that limit counts."""


class LlmSettings(Section, frozen=True):
    """`[llm]`: the language model and what it may use of this machine."""

    engine: Literal["llama", "openai"] = "llama"
    """`llama` runs a model here; `openai` asks a server that speaks OpenAI's API."""
    model: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] = "smollm2-135m-instruct-q4_1"
    """A model of the catalogue, or the path of a .gguf file. The default fits into any device."""
    context: Annotated[int, msgspec.Meta(ge=512, le=1_048_576)] = 4096
    """Tokens that one conversation may hold; more costs memory. Older turns are then left out."""
    threads: Annotated[int, msgspec.Meta(ge=0, le=256)] = 0
    """Threads of the model; 0 chooses from the machine's cores."""
    gpu_layers: Annotated[int, msgspec.Meta(ge=-1, le=10_000)] = 0
    """Layers on the GPU; -1 is all. Needs a build with CUDA."""
    batch: Annotated[int, msgspec.Meta(ge=0, le=512)] = 0
    """Most tokens of a prompt that are read in one step; 0 takes what tuning found, else 256."""
    kv_type: Literal["auto", "f16", "q8_0"] = "auto"
    """How conversations lie in memory: `q8_0` takes half of `f16`; `auto` takes what tuning found fastest."""
    tune: bool = True
    """Whether it finds out once what is fastest here, when nobody has asked anything for five minutes."""
    parallel: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    """Answers written at the same time; more have to wait."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_048_576)] = 512
    """Longest answer in tokens; never more than half of the context."""
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.2
    """Variety of answers: 0 is always the likeliest word. 0.2 is what SmolLM2's authors advise."""
    snapshot_limit_mb: Annotated[int, msgspec.Meta(ge=0, le=1_048_576)] = 512
    """Disk space for encrypted snapshots, which make a conversation quick to continue; 0 keeps none."""
    url: Annotated[str, msgspec.Meta(pattern=_URL, max_length=2048)] = ""
    """Base address of the server for engine `openai`, such as `http://192.168.1.20:8000/v1`."""
    remote_model: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """Name of the model on that server; its key is the secret `llm_api_key`."""


class WebSettings(Section, frozen=True):
    """`[web]`: the chat page and its API."""

    enabled: bool = True
    """Whether the page is served at all."""
    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "127.0.0.1"
    """Address to listen on without encryption; only one of this machine is taken."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """TCP port; 0 picks a free one and the log names it."""
    lan: bool = True
    """Whether paired devices in the house reach the page, over https."""
    tls_host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)] = "0.0.0.0"  # noqa: S104
    """Address to listen on for the house; the default is all of them."""
    tls_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8443
    """TCP port for the house; 0 picks a free one and the log names it."""
    announce: bool = True
    """Whether the device tells its name in the house (mDNS); only with `lan`."""
    wizard: bool = True
    """Whether the page asks its owner for name, language and model on the first visit."""
    allowed_hosts: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=253)], ...] = ()
    """More host names under which browsers may reach the page, besides this machine's own."""


class Persona(Section, frozen=True):
    """`[personas.NAME]`: a way to speak. It is public: write nothing about a person into it."""

    name: Annotated[str, msgspec.Meta(pattern=_LINE_OR_NOTHING)] = ""
    """What the assistant calls itself with this persona; empty keeps `assistant.name`."""
    tone: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """A few words, such as `warm and brief`."""
    instructions: Annotated[str, msgspec.Meta(max_length=4000)] = ""
    """Sentences that the model is told before each conversation."""


BUILT_IN_PERSONAS = {
    DEFAULT_PERSONA: Persona(tone="friendly and brief"),
    "concise": Persona(tone="matter-of-fact", instructions="Answer in one or two short sentences."),
    "teacher": Persona(tone="patient and clear", instructions="Explain step by step, with an example."),
    "playful": Persona(tone="playful and witty"),
}
"""Those that are there without any configuration."""


class Memory(Section, frozen=True):
    """`[memory]`: what it remembers of people."""

    enabled: bool = True
    """Whether it learns from what people say and recalls what fits a question."""
    embedder: Annotated[str, msgspec.Meta(pattern=_NAME)] = "all-minilm-l6-v2-int8"
    """Catalogue id of what turns memories and documents into vectors; another one makes them anew."""
    top_k: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    """Memories that one question may bring along."""
    budget_tokens: Annotated[int, msgspec.Meta(ge=20, le=2000)] = 200
    """Tokens that they may have together, about."""


class Documents(Section, frozen=True):
    """`[documents]`: the library it can look things up in."""

    enabled: bool = True
    """Whether there is a library; while it is empty it costs nothing."""
    top_k: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    """Passages that one question may bring along."""
    budget_tokens: Annotated[int, msgspec.Meta(ge=50, le=100_000)] = 600
    """Tokens that they may have together, about."""
    answer: Literal["auto", "passage", "model"] = "auto"
    """Who answers when a passage clearly fits: the passage or the model; `auto` by the model's size."""
    max_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 100
    """Largest file that is read."""
    web: bool = True
    """Whether a web page is fetched when somebody adds its address."""
    folder: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """A watched folder, shared with the household; empty watches none."""


class VoiceSettings(Section, frozen=True):
    """`[voice]`: microphone and speaker."""

    enabled: bool = False
    """Whether the device listens and speaks; needs the extra `voice`."""
    user: Annotated[str, msgspec.Meta(pattern=_NAME)] = "household"
    """In whose name it is spoken to the microphone: anybody in the room is this person."""
    input: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Microphone: part of its name or its number; empty is the system's, `off` opens none."""
    output: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Speaker, the same."""
    wake_word: Annotated[str, msgspec.Meta(max_length=60)] = "okay_nabu"
    """A built-in wake word, or any phrase with a Vosk model; empty listens only when a button is held."""
    wake_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Certainty from which the wake word counts; 0 takes what its makers advise."""
    stop_words: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=4096)], ...] = ()
    """What silences an answer at once: phrases with a Vosk model, or `.json` models of microWakeWord."""
    stt: tuple[Literal["whisper", "vosk", "openai"], ...] = ("whisper",)
    """Engines that understand speech, in order: when one fails the next one answers."""
    stt_model: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] = "whisper-tiny.en-int8"
    """Model of the engine `whisper`."""
    vosk_model: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Model of the engine `vosk`, also for wake phrases."""
    tts: tuple[Literal["piper", "espeak", "openai"], ...] = ("piper", "espeak")
    """Engines that speak, in order."""
    voice: Annotated[str, msgspec.Meta(max_length=4096)] = "piper-en-us-joe-medium"
    """Voice of the engine `piper`."""
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4)] = 1.0
    """Speed of the voice."""
    volume: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Loudness of everything that is played."""
    quiet: bool = False
    """Do not disturb: nothing is announced; timers and alarms still ring, questions are answered."""
    noise_suppression: bool = False
    """Whether steady noise is taken out of what the wake word and speech engines hear."""
    earcons: bool = True
    """Whether short signs tell that it listens, has understood, or has not."""
    follow_up: bool = True
    """Whether an answer that asks something opens the microphone without the wake word."""
    follow_up_seconds: Annotated[float, msgspec.Meta(ge=1, le=30)] = 5.0
    """How long it then waits for somebody to speak."""
    session_minutes: Annotated[float, msgspec.Meta(ge=0, le=1440)] = 10.0
    """After so long a silence a new conversation begins."""
    remote_url: Annotated[str, msgspec.Meta(pattern=_URL, max_length=2048)] = ""
    """Base address of the server for the engine `openai`; what is heard or said then goes there."""
    remote_model: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """Name of the model on that server; its key is the secret `voice_api_key`."""
    led_pin: Annotated[int, msgspec.Meta(ge=-1, le=27)] = -1
    """GPIO number of a status light; -1 is none. Needs the extra `gpio`."""
    talk_pin: Annotated[int, msgspec.Meta(ge=-1, le=27)] = -1
    """GPIO number of a push-to-talk button."""
    mute_pin: Annotated[int, msgspec.Meta(ge=-1, le=27)] = -1
    """GPIO number of a switch that closes the microphone while it is on."""


class MqttSettings(Section, frozen=True):
    """`[mqtt]`: the home's broker."""

    enabled: bool = False
    """Whether the device listens and answers on a broker, and is announced to Home Assistant."""
    url: Annotated[str, msgspec.Meta(pattern=_BROKER, max_length=2048)] = "mqtt://127.0.0.1"
    """Address of the broker; `mqtts://` is TLS."""
    username: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """Name at the broker; its password is the secret `mqtt_password`."""
    device: Annotated[str, msgspec.Meta(pattern=_DEVICE)] = ""
    """Name of this device in topics; empty takes it from the host's name."""
    user: Annotated[str, msgspec.Meta(pattern=_NAME)] = "household"
    """In whose name everybody on the broker asks."""
    discovery_prefix: Annotated[str, msgspec.Meta(pattern=_PREFIX)] = "homeassistant"
    """Where Home Assistant looks for devices; empty announces nothing."""
    ca_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Authority that signs the broker's certificate; empty trusts the system's."""
    certificate_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Own certificate, for brokers that ask for one."""
    key_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Its key."""


ActionRisk = Literal["free", "confirm", "pin"]
"""Whether an action is just done, asked about first, or wants the household's PIN."""


class PinSettings(Section, frozen=True):
    """`tools.pins.NAME`: a pin of the device's header."""

    number: Annotated[int, msgspec.Meta(ge=0, le=27)]
    """Its GPIO number."""
    output: bool = True
    """Whether it is switched; else it is only read."""
    risk: ActionRisk = "confirm"
    """What must happen before it is switched."""


class ToolSettings(Section, frozen=True):
    """`[tools]`: what the assistant can do."""

    enabled: bool = True
    """Whether there are timers, alarms, reminders, lists, sums and units at all."""
    model: Literal["auto", "always", "never"] = "auto"
    """Whether the model may call them; `auto` asks the catalogue whether it is able to."""
    steps: Annotated[int, msgspec.Meta(ge=1, le=8)] = 3
    """Calls that the model may make for one answer."""
    topics: Annotated[
        dict[Annotated[str, msgspec.Meta(pattern=_TOPIC)], ActionRisk], msgspec.Meta(max_length=50)
    ] = {}
    """MQTT topics that may be published to, each with its risk."""
    pins: Annotated[
        dict[Annotated[str, msgspec.Meta(pattern=_PERSONA)], PinSettings], msgspec.Meta(max_length=28)
    ] = {}
    """GPIO pins that may be used, by name; needs the extra `gpio`."""


class BackupSettings(Section, frozen=True):
    """`[backups]`: encrypted copies of everything it knows, made every night."""

    enabled: bool = True
    """Whether they are made; a damaged store is restored from the newest good one."""
    folder: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Where they lie, better on another disk; empty is `backups/` in the state folder."""
    hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 3
    """Local hour from which on the night's backup is made."""
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=366)] = 7
    """The newest of so many days are kept,"""
    keep_weeks: Annotated[int, msgspec.Meta(ge=0, le=520)] = 4
    """and the newest of so many weeks."""


class CareSettings(Section, frozen=True):
    """`[care]`: how the device looks after itself."""

    enabled: bool = True
    """Whether it spares itself in stages while it is hot or short of memory."""
    hot_celsius: Annotated[float, msgspec.Meta(ge=0, le=150)] = 0.0
    """Temperature that counts as hot; 0 takes the device's own limit, else 80."""


class HomeDevice(Section, frozen=True):
    """`home.devices.NAME`: what its owner says of a device."""

    name: Annotated[str, msgspec.Meta(pattern=_LINE_OR_NOTHING)] = ""
    """What it is called; empty keeps what it says itself."""
    area: Annotated[str, msgspec.Meta(pattern=_LINE_OR_NOTHING)] = ""
    """The room it is in."""
    aliases: Annotated[
        tuple[Annotated[str, msgspec.Meta(pattern=_LINE)], ...], msgspec.Meta(max_length=10)
    ] = ()
    """What else it is called."""
    risk: ActionRisk = "free"
    """What must at least happen before it is told anything."""


class OwnAction(Section, frozen=True):
    """What one of the owner's own sentences does."""

    entity: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    """Id of an entity, such as `light.floor_lamp`."""
    service: Annotated[str, msgspec.Meta(pattern=_PERSONA)] = "turn_on"
    """Such as `turn_on`, `turn_off`, `set_temperature`."""
    data: dict[Annotated[str, msgspec.Meta(pattern=_PERSONA)], int | float | str | bool] = {}
    """Such as `{brightness = 30}`."""


class OwnSentence(Section, frozen=True):
    """`[[home.sentences]]`: what the owner says, and what it does."""

    say: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=2, max_length=200)], ...],
        msgspec.Meta(min_length=1, max_length=20),
    ]
    """Sentences; `[optional]` and `(one|other)` as in hassil."""
    actions: Annotated[tuple[OwnAction, ...], msgspec.Meta(max_length=20)] = ()
    """What is done, in order."""
    answer: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """What is said then; empty says what was done."""


class Home(Section, frozen=True):
    """`[home]`: devices and rooms."""

    enabled: bool = False
    """Whether devices are learnt from the broker of `[mqtt]` and can be controlled; needs `mqtt.enabled`."""
    discovery_prefix: Annotated[str, msgspec.Meta(pattern=_PREFIX, min_length=1)] = "homeassistant"
    """Where devices announce themselves."""
    room: Annotated[str, msgspec.Meta(pattern=_LINE_OR_NOTHING)] = ""
    """Room in which this device stands: `turn on the light` means the light there."""
    paraphrase: bool = True
    """Whether a sentence that fits no template is compared by meaning; needs the embedder."""
    devices: Annotated[
        dict[Annotated[str, msgspec.Meta(min_length=1, max_length=100)], HomeDevice],
        msgspec.Meta(max_length=500),
    ] = {}
    """What the owner says of devices, by id or by name."""
    sentences: Annotated[tuple[OwnSentence, ...], msgspec.Meta(max_length=200)] = ()
    """The owner's own sentences."""


class CloudSettings(Section, frozen=True):
    """`[cloud]`: a larger model elsewhere, only with consent."""

    enabled: bool = False
    """Whether there is a connection to the operator's broker at all."""
    url: Annotated[str, msgspec.Meta(pattern=_BROKER_OR_NOTHING, max_length=2048)] = ""
    """Address of that broker; `mqtts://` is TLS."""
    username: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """Name at that broker; its password is the secret `cloud_password`."""
    device: Annotated[str, msgspec.Meta(pattern=_DEVICE)] = ""
    """Name of this device there; empty is `mqtt.device`, or else the host's name."""
    ca_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Authority that signs that broker's certificate; empty trusts the system's."""
    certificate_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Own certificate, for brokers that ask for one."""
    key_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """Its key."""
    consent: Literal["never", "asked", "always"] = "never"
    """When a question may leave: never, when a person asks for the cloud in it, or whenever it helps."""
    budget: Annotated[int, msgspec.Meta(ge=0, le=10**12)] = 200_000
    """Tokens, read and written, that the cloud may cost in a calendar month; 0 is none."""
    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20.0
    """With `always`: predicted wait for the first word here, from which the cloud is asked instead."""
    unsure: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """With `always`: mean certainty of the first words here, below which the cloud answers; 0 never."""
    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=2, max_length=100)], ...], msgspec.Meta(max_length=2000)
    ] = ()
    """Contacts that must not be named there, besides the people of this household."""


class Guard(Section, frozen=True):
    """`[guard]`: protection against harmful input."""

    enabled: bool = False
    """Not in this version."""


class Fleet(Section, frozen=True):
    """`[fleet]`: one of many devices under one operator."""

    enabled: bool = False
    """Whether it enrols with the operator's registrar and reports there how it is."""
    url: Annotated[str, msgspec.Meta(pattern=_BROKER_OR_NOTHING, max_length=2048)] = ""
    """Address of the operator's broker, where claim tokens are taken; must begin with `mqtts://`."""
    ca_file: Annotated[str, msgspec.Meta(max_length=4096)] = ""
    """The fleet's authority, which signs that broker; empty trusts the system's."""
    device: Annotated[str, msgspec.Meta(pattern=_DEVICE)] = ""
    """What this device would like to be called; empty is the host's name. The registrar decides."""
    serial: Annotated[str, msgspec.Meta(pattern=_SERIAL)] = ""
    """Serial number of this board; empty reads it from the hardware."""
    report_seconds: Annotated[float, msgspec.Meta(ge=5, le=86_400)] = 60.0
    """How often it reports, besides at once when something changed."""
    may_set: Annotated[tuple[str, ...], msgspec.Meta(max_length=40)] = ("*",)
    """Keys that the operator may change; `*` is all of those that docs/fleet.md lists, none is `[]`."""


class Update(Section, frozen=True):
    """`[update]`: newer versions, signed by the operator."""

    url: Annotated[str, msgspec.Meta(pattern=_URL, max_length=2048)] = ""
    """Where releases lie: a folder behind any web server."""
    root_file: Annotated[str, msgspec.Meta(max_length=4096)] = "/etc/edge-assistant/update-root.json"
    """The operator's first `root.json`: whose releases are trusted."""
    automatic: bool = False
    """Whether it looks every night and takes what it finds."""
    start_seconds: Annotated[float, msgspec.Meta(ge=30, le=86_400)] = 900.0
    """How long a new version may take to become well."""
    probation_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 120.0
    """How long it must stay well then."""


class Telemetry(Section, frozen=True):
    """`[telemetry]`: traces of turns for the operator, without any text."""

    enabled: bool = False
    """Whether a trace of each turn is sent to `endpoint`."""
    endpoint: Annotated[str, msgspec.Meta(pattern=_URL, max_length=2048)] = ""
    """Base address of a collector that takes OTLP over HTTP, such as `http://192.168.1.20:4318`."""
    device: Annotated[str, msgspec.Meta(pattern=_DEVICE)] = ""
    """What this device is called in traces; empty tells no name."""


class Retention(Section, frozen=True):
    """`[retention]`: what is forgotten by itself, every night."""

    history_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] = 0
    """Days after which messages and their answers are erased; 0 keeps them."""
    memory_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] = 0
    """Days after which a memory is erased that nobody said again; 0 keeps them."""


UNAVAILABLE = ("guard",)
"""Sections that this version knows by name only."""


class Config(Section, frozen=True):
    """Everything that can be configured."""

    assistant: AssistantSettings = AssistantSettings()
    llm: LlmSettings = LlmSettings()
    web: WebSettings = WebSettings()
    personas: dict[PersonaId, Persona] = {}
    memory: Memory = Memory()
    documents: Documents = Documents()
    voice: VoiceSettings = VoiceSettings()
    mqtt: MqttSettings = MqttSettings()
    tools: ToolSettings = ToolSettings()
    backups: BackupSettings = BackupSettings()
    retention: Retention = Retention()
    care: CareSettings = CareSettings()
    home: Home = Home()
    cloud: CloudSettings = CloudSettings()
    guard: Guard = Guard()
    fleet: Fleet = Fleet()
    update: Update = Update()
    telemetry: Telemetry = Telemetry()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the sections that can be switched off and are on."""
        sections = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return tuple(name for name, section in sections if getattr(section, "enabled", False))

    @property
    def leaves(self) -> tuple[str, ...]:
        """What this configuration lets leave the device: `model`, `speech`, `cloud`; nothing by default."""
        elsewhere = {
            "model": self.llm.engine == "openai",
            "speech": self.voice.enabled and "openai" in (*self.voice.stt, *self.voice.tts),
            "cloud": self.cloud.enabled and self.cloud.consent != "never",
        }
        return tuple(what for what, may in elsewhere.items() if may)
