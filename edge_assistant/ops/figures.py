"""Every figure of `/metrics`. Names and labels are promises; docs/metrics.md explains them."""

from __future__ import annotations

from edge_assistant.ops.metrics import Kind, Metric

PREFIX = "edge_assistant_"

ALL: list[Metric] = []


def _metric(kind: Kind, name: str, text: str, labels: tuple[str, ...]) -> Metric:
    ALL.append(metric := Metric(name=PREFIX + name, kind=kind, help=text, labels=labels))
    return metric


def _counter(name: str, text: str, *labels: str) -> Metric:
    return _metric("counter", name, text, labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return _metric("gauge", name, text, labels)


def _histogram(name: str, text: str, *labels: str) -> Metric:
    return _metric("histogram", name, text, labels)


INFO = _gauge("info", "Always 1; says which version and model run", "version", "model")
UPTIME = _gauge("uptime_seconds", "Time since the daemon started")
CPU = _counter("cpu_seconds", "Processor time of the daemon, without its workers")
RESIDENT = _gauge("resident_bytes", "Memory of the daemon, without its workers")
NOTICE = _gauge("notice", "1 for each thing that the page tells its owner; absent without any", "code")
SOCKETS = _gauge("web_sockets", "Open pages")

TURNS = _counter(
    "turns", "Turns that ended, by where they came from, what answered and how", "source", "rung", "status"
)
FAILURES = _counter("turn_failures", "Turns that failed, by code, see docs/errors.md", "code")
REFUSED = _counter("turns_refused", "Requests turned away because too many waited")
ACTIVE = _gauge("turns_active", "Turns that are answered or wait")
WAITING = _gauge("turns_waiting", "Turns among them that wait for the model")
FIRST_TOKEN = _histogram("first_token_seconds", "From the question to the first piece of its answer", "rung")
TURN_SECONDS = _histogram("turn_seconds", "From the question to the end of its answer", "rung")
STAGES = _histogram("stage_seconds", "What turns spend their time on", "stage")
PROMPT_TOKENS = _counter("prompt_tokens", "Tokens of prompts")
CACHED_TOKENS = _counter("cached_tokens", "Tokens of prompts that were not computed anew")
ANSWER_TOKENS = _counter("answer_tokens", "Tokens of answers")

TOOL_CALLS = _counter(
    "tool_calls", "What was to be done besides talking, and what came of it", "tool", "outcome"
)

MODEL_READY = _gauge("model_ready", "1 while the language model answers")
PREFILL = _gauge("prefill_tokens_per_second", "How fast the model reads, measured lately")
DECODE = _gauge("decode_tokens_per_second", "How fast the model writes, measured lately")

WORKER_UP = _gauge("worker_up", "1 while a worker runs; the embedder starts when first needed", "worker")
WORKER_RESTARTS = _counter("worker_restarts", "Times that a worker was started again", "worker")
WORKER_RESIDENT = _gauge("worker_resident_bytes", "Memory of a worker", "worker")

MEMORY = _gauge("memory_bytes", "Memory of the device")
MEMORY_AVAILABLE = _gauge("memory_available_bytes", "Memory that programs could still have")
TEMPERATURE = _gauge("temperature_celsius", "The hottest sensor; absent without one")
SLOWED = _gauge("processor_slowed", "1 while heat or power slow the processor; absent where nothing tells")
UNDER_VOLTAGE = _gauge("under_voltage", "1 while the voltage is too low; absent where nothing tells")

CARE_STAGE = _gauge(
    "care_stage", "0 when well, 1 to 3 while the device spares itself, see docs/operations.md"
)

MQTT_ONLINE = _gauge("mqtt_online", "1 while connected to the home's broker; absent without one")
MQTT_CONNECTS = _counter("mqtt_connects", "Times that the connection to the broker came up")
CLOUD_ONLINE = _gauge("cloud_online", "1 while connected to the operator's broker; absent without one")
CLOUD_TOKENS = _gauge("cloud_month_tokens", "Tokens that the cloud cost in this month; absent without one")
CLOUD_BUDGET = _gauge("cloud_budget_tokens", "Tokens that it may cost in a month; absent without one")
HOME_ENTITIES = _gauge("home_entities", "Lights, sensors and the like that are known; absent without a house")
HOME_REFUSED = _counter("home_announcements_refused", "Announcements of devices that could not be used")
OUTBOX = _gauge("outbox_messages", "Messages that are not delivered yet")

STORE = _gauge("store_bytes", "The database with its log")
SNAPSHOTS = _gauge("snapshot_bytes", "Encrypted snapshots of conversations")
DISK_FREE = _gauge("disk_free_bytes", "Free space where the state lies")
BACKUPS = _gauge("backups", "Backups that are known")
BACKUP_TIME = _gauge("last_backup_timestamp_seconds", "When the newest backup was made; absent without one")

VOICE_READY = _gauge("voice_ready", "1 while it can hear; absent without a voice")
NEAR_MISSES = _counter("wake_near_misses", "Times that something nearly was the wake word")
VOICE_STAGES = _histogram(
    "voice_stage_seconds", "From the end of speech to the first sound (sound), and its parts", "stage"
)
