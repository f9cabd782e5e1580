"""Checks of this device. Each is a small function; what fails says how to mend it."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edge_assistant.catalog.catalog import Model, find_model, is_path, load_catalog, model_state
from edge_assistant.config import Config, Paths, secret
from edge_assistant.errors import EdgeError, StoreError
from edge_assistant.memory.embedding import EMBEDDER
from edge_assistant.ops.device_checks import DEVICE_CHECKS
from edge_assistant.ops.finding import Check, Finding, Patient, VoiceHealth, failed, ok, warning
from edge_assistant.ops.hardware import existing, read_hardware
from edge_assistant.ops.network_checks import NETWORK_CHECKS
from edge_assistant.store.keys import KeyRing

LEAST_PYTHON = (3, 11)
LEAST_DISK_MB = 500
VOICE_LIBRARIES = ("pyaudio", "pymicro_wakeword", "faster_whisper", "piper", "rapidfuzz", "soxr")
"""What the extra `voice` brings and the default engines need."""

HOT_CELSIUS = 80.0
"""Raspberry Pi boards slow down from 80 °C on (Raspberry Pi documentation, frequency management)."""

BUILT_AT = 1_760_000_000
"""Unix seconds (October 2025): this program is younger than that, so an earlier clock is wrong."""

LATEST_SANE = 4_000_000_000
"""Unix seconds (year 2096)."""


def examine(
    config: Config,
    paths: Paths,
    daemon_url: str | None = None,
    house_problem: str = "",
    voice: VoiceHealth | None = None,
    *,
    house_url: str = "",
) -> list[Finding]:
    """Do every check; one that breaks is itself a finding."""
    patient = Patient(
        config, paths, read_hardware(paths.state), daemon_url, house_problem, voice, house_url=house_url
    )
    return [_careful(check, patient) for check in CHECKS]


def _careful(check: Check, patient: Patient) -> Finding:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return check(patient)
    except EdgeError as error:
        return Finding(name=name, outcome="failed", detail=error.code, fix=error.message)
    except OSError as error:
        return failed(name, str(error), "check who owns the files and whether the disk is healthy")
    except Exception as error:  # noqa: BLE001 - the other checks still tell what they find
        return failed(name, f"the check itself failed ({type(error).__name__})", "please report this")


def check_python(patient: Patient) -> Finding:
    """Check that python is new enough."""
    del patient
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < LEAST_PYTHON:
        return failed("python", version, "install Python 3.11 or newer")
    return ok("python", version)


def check_processor(patient: Patient) -> Finding:
    """Check that the processor has the instructions that make a model quick."""
    hardware = patient.hardware
    where = hardware.device or hardware.processor or hardware.architecture
    detail = f"{where}, {hardware.cores} cores, {' '.join(hardware.features) or 'no fast instructions'}"
    if not {"avx2", "asimd"} & set(hardware.features):
        return warning("processor", detail, "models will be slow: use a 64-bit system, or a newer processor")
    return ok("processor", detail)


def check_memory(patient: Patient) -> Finding:
    """Check that the model fits into memory."""
    total, free = patient.hardware.memory_bytes >> 20, patient.hardware.memory_available_bytes >> 20
    needed = _model_megabytes(patient)
    detail = f"{free} of {total} MB free, the model takes about {needed} MB"
    if needed > total:
        return failed("memory", detail, "choose a smaller llm.model: `edge-assistant models list`")
    if needed > free and patient.daemon_url is None:
        return warning("memory", detail, "stop other programs, or choose a smaller llm.model")
    return ok("memory", detail)


def check_disk(patient: Patient) -> Finding:
    """Check that there is room for what it keeps."""
    free = patient.hardware.disk_free_bytes >> 20
    needed = LEAST_DISK_MB + patient.config.llm.snapshot_limit_mb
    detail = f"{free} MB free"
    if free < LEAST_DISK_MB:
        return failed("disk", detail, f"free at least {LEAST_DISK_MB} MB below {patient.paths.state}")
    if free < needed:
        return warning("disk", detail, f"free {needed} MB, or lower llm.snapshot_limit_mb")
    return ok("disk", detail)


def check_temperature(patient: Patient) -> Finding:
    """Check that the processor is not so hot that it slows down."""
    celsius = patient.hardware.temperature_celsius
    if celsius is None:
        return ok("temperature", "no sensor")
    if celsius >= HOT_CELSIUS:
        return warning("temperature", f"{celsius:.0f} °C", "it slows down when hot: give it a fan")
    return ok("temperature", f"{celsius:.0f} °C")


def check_model(patient: Patient) -> Finding:
    """Check that the model is on the device and whole."""
    llm = patient.config.llm
    if llm.engine == "openai":
        return ok("model", f"{llm.remote_model} at another server")
    path = find_model(llm.model, patient.paths.models)
    return ok("model", f"{llm.model}, {path.stat().st_size >> 20} MB")


def check_embedder(patient: Patient) -> Finding:
    """Check that what finds things by meaning is on the device."""
    if not (patient.config.memory.enabled or patient.config.documents.enabled):
        return ok("embedder", "not needed")
    wanted = patient.config.memory.embedder
    if _is_here(wanted, patient):
        return ok("embedder", wanted)
    instead = f"{EMBEDDER} stands in" if _is_here(EMBEDDER, patient) else "only words are searched"
    return warning("embedder", f"{wanted} is not here: {instead}", f"edge-assistant models pull {wanted}")


def _is_here(model: str, patient: Patient) -> bool:
    return model_state(load_catalog().model(model), patient.paths.models) == "installed"


def check_key(patient: Patient) -> Finding:
    """Check that the key opens what is stored, and is nobody else's."""
    ring = KeyRing(patient.paths.state)
    if not ring.envelope_path.exists() and not patient.paths.database.exists():
        return ok("key", "made on the first run")
    open_ones = [path for path in (ring.device_key_path, ring.envelope_path) if _is_open(path)]
    if open_ones:
        return failed("key", "others may read it", f"chmod 600 {' '.join(map(str, open_ones))}")
    try:
        ring.unlock()
    except StoreError as error:
        if error.code != "KEY_MISSING" or patient.daemon_url is None:
            raise
        return ok("key", "the running assistant has it")  # one that is sealed is given to the service alone
    return ok("key", "device key fits")


def check_clock(patient: Patient) -> Finding:
    """Check that the clock is not obviously wrong; boards without a battery start in the past."""
    del patient
    now = time.time()
    detail = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if not BUILT_AT < now < LATEST_SANE:
        return failed("clock", detail, "set it: `sudo timedatectl set-ntp true`, or `sudo date -s …`")
    return ok("clock", detail)


def check_port(patient: Patient) -> Finding:
    """Check that the page can be served."""
    web = patient.config.web
    if patient.daemon_url is not None:
        return ok("port", f"the assistant runs{' at ' * bool(patient.daemon_url)}{patient.daemon_url}")
    if not web.enabled or not web.port:
        return ok("port", "any free one" if web.enabled else "the page is switched off")
    if reason := _cannot_listen(web.host, web.port):
        return failed("port", f"{web.host} port {web.port}: {reason}", "set web.port to another one, or 0")
    return ok("port", f"{web.port} is free")


def check_house(patient: Patient) -> Finding:
    """Check that phones in the house can reach the page."""
    web = patient.config.web
    if not (web.enabled and web.lan):
        return ok("house", "only this machine reaches the page (web.lan is off)")
    reason = patient.house_problem
    if patient.daemon_url is None and web.tls_port:
        reason = _cannot_listen(web.tls_host.strip("[]"), web.tls_port)
    if reason:
        return warning("house", f"phones can't reach the page: {reason}", "set web.tls_port to another one")
    return ok("house", f"phones reach the page by https on port {web.tls_port or 'any'}")


def check_state(patient: Patient) -> Finding:
    """Check that the state folder can be written and is private."""
    folder = patient.paths.state
    place = existing(folder)
    if not os.access(place, os.W_OK | os.X_OK):
        return failed("state", f"{place} can't be written", f"sudo chown -R {os.geteuid()} {place}")
    if folder.exists() and folder.stat().st_mode & 0o077:
        return warning("state", f"others may look into {folder}", f"chmod 700 {folder}")
    return ok("state", str(folder))


def check_secrets(patient: Patient) -> Finding:
    """Check that a remote model has its key."""
    if patient.config.llm.engine == "openai" and not secret("llm_api_key"):
        return warning(
            "secrets", "no llm_api_key", "set EDGE_ASSISTANT_SECRET_LLM_API_KEY if the server asks for a key"
        )
    return ok("secrets", "none missing")


def check_voice(patient: Patient) -> Finding:
    """Check that it can hear and speak, if it should."""
    if not patient.config.voice.enabled:
        return ok("voice", "off (voice.enabled)")
    health = patient.voice
    if health is None:
        return _check_voice_parts(patient)
    misses = f"the wake word was nearly heard {health.near_misses} times"
    detail = "; ".join((health.phase, *health.problems, misses))
    if health.phase == "error":
        return failed("voice", detail, "`edge-assistant listen` shows devices and level; see docs/voice.md")
    if health.problems:
        return warning("voice", detail, "mend what is named, or take it out of voice.stt and voice.tts")
    return ok("voice", detail)


def _check_voice_parts(patient: Patient) -> Finding:
    """Check without a running daemon that libraries and models are there."""
    voice = patient.config.voice
    if missing := [name for name in VOICE_LIBRARIES if importlib.util.find_spec(name) is None]:
        return failed("voice", f"without {', '.join(missing)}", "make run VOICE=1, or install `[voice]`")
    wanted = {"whisper": (voice.stt, voice.stt_model), "piper": (voice.tts, voice.voice)}
    for engine, (engines, model) in wanted.items():
        if engine in engines and not is_path(model):
            find_model(model, patient.paths.models)
    return ok("voice", "libraries and models are there; run the assistant to check the devices")


def check_compiler(patient: Patient) -> Finding:
    """Check that the engine could be built again; pip brings cmake itself."""
    del patient
    if shutil.which("g++") is None:
        fix = "only needed to install again: sudo apt-get install build-essential"
        return warning("compiler", "there is none", fix)
    return ok("compiler", "g++ is there")


CHECKS: tuple[Check, ...] = (
    check_python,
    check_processor,
    check_memory,
    check_disk,
    check_temperature,
    check_model,
    check_embedder,
    check_state,
    check_key,
    check_secrets,
    check_clock,
    check_port,
    check_house,
    check_voice,
    check_compiler,
    *DEVICE_CHECKS,
    *NETWORK_CHECKS,
)


def _is_open(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _model_megabytes(patient: Patient) -> int:
    """Return what the model takes in memory; of a file outside the catalogue a guess from its size."""
    llm = patient.config.llm
    if llm.engine == "openai":
        return 0
    if is_path(llm.model):
        path = Path(llm.model).expanduser()
        return path.stat().st_size * 5 // 4 >> 20 if path.exists() else 0
    return next((model.ram_mb for model in _catalogued() if model.id == llm.model), 0)


def _catalogued() -> Iterator[Model]:
    yield from load_catalog().models


def _cannot_listen(host: str, port: int) -> str:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server((host, port), family=family):
            return ""
    except OSError as error:
        return "in use by another program" if error.errno == errno.EADDRINUSE else str(error)
