"""What `doctor --fix` does by itself: nothing that could lose data or keep a device from starting."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from edge_assistant.catalog.catalog import load_catalog
from edge_assistant.config import Config, Paths
from edge_assistant.ops.finding import Finding
from edge_assistant.ops.hardware import existing
from edge_assistant.store.keys import KeyRing

PULL_SECONDS = 3600.0
COMMAND_SECONDS = 60.0

SYSTEMD = Path("/run/systemd/system")
"""There while systemd runs the machine, see sd_booted(3)."""


class Step(msgspec.Struct, frozen=True):
    """One thing that mends a finding."""

    finding: str
    what: str
    """What is done, in words or as the command."""
    carry_out: Callable[[], object]


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a step."""

    finding: str
    what: str
    done: bool
    problem: str = ""


def steps(config: Config, paths: Paths, findings: Sequence[Finding]) -> list[Step]:
    """Return what can be done about findings without asking anybody; the rest says its fix itself."""
    ill = {finding.name for finding in findings if finding.outcome != "ok"}
    found = [*_modes(paths), *_models(config, paths), *_clock()]
    return [step for step in found if step.finding in ill]


def carried_out(step: Step) -> Outcome:
    """Do a step and return what came of it."""
    try:
        step.carry_out()
    except subprocess.CalledProcessError:
        return Outcome(step.finding, step.what, done=False, problem="it said why above")
    except (OSError, subprocess.SubprocessError) as error:
        return Outcome(step.finding, step.what, done=False, problem=str(error))
    return Outcome(step.finding, step.what, done=True)


def _modes(paths: Paths) -> Iterator[Step]:
    ring = KeyRing(paths.state)
    for finding, path, mode in (
        ("state", paths.state, 0o700),
        ("key", ring.device_key_path, 0o600),
        ("key", ring.envelope_path, 0o600),
    ):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Step(finding, f"chmod {mode:o} {path}", partial(path.chmod, mode))


def _models(config: Config, paths: Paths) -> Iterator[Step]:
    if existing(paths.models).stat().st_uid != os.geteuid():
        return  # what root pulled, the service could not replace
    known = {model.id for model in load_catalog().models}
    chosen = config.llm.model if config.llm.engine == "llama" else ""
    for finding, model in (("model", chosen), ("embedder", config.memory.embedder)):
        if model in known:
            command = [sys.executable, "-m", "edge_assistant", "models", "pull", model]
            yield Step(finding, f"edge-assistant models pull {model}", _running(command, PULL_SECONDS))


def _clock() -> Iterator[Step]:
    program = shutil.which("timedatectl")
    if program is not None and os.geteuid() == 0 and SYSTEMD.exists():
        command = [program, "set-ntp", "true"]
        yield Step("time sync", "timedatectl set-ntp true", _running(command, COMMAND_SECONDS))


def _running(command: list[str], seconds: float) -> Callable[[], object]:
    return partial(
        subprocess.run, command, check=True, stdin=subprocess.DEVNULL, timeout=seconds, stdout=sys.stderr
    )
