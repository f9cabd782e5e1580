"""onnxruntime as this project wants it: silent towards the network, small, and single-threaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from edge_assistant.errors import SpeechError

# Read when the library is loaded, so before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def load_onnxruntime() -> Any:
    """Import onnxruntime with its telemetry off; raises `SpeechError` ENGINE_MISSING."""
    try:
        import onnxruntime
    except ImportError as error:
        raise SpeechError("ENGINE_MISSING", "onnxruntime is not installed: install `[voice]`") from error
    onnxruntime.disable_telemetry_events()
    return onnxruntime


class TidySession:
    """A session for work of very different sizes: what a run took goes back when it ends.

    A sentence of Piper's takes up to 280 MB for half a second. Without an arena each piece of that is
    asked from the allocator, which keeps most of it; an arena that shrinks keeps nothing and costs no time.
    """

    def __init__(self, model: Path, threads: int = 1) -> None:
        """Open `model`; raises as `quiet_session`."""
        self._session = quiet_session(model, threads, arena=True)
        self._options = load_onnxruntime().RunOptions()
        self._options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(self, outputs: Any, inputs: Any) -> Any:
        """Return what the model makes of `inputs`."""
        return self._session.run(outputs, inputs, self._options)


def quiet_session(model: Path, threads: int = 1, *, arena: bool = False) -> Any:
    """Open a model on the CPU; raises `SpeechError` ENGINE_MISSING or MODEL_CORRUPT.

    Memory of an `arena` is reused by each run and given back only when a run asks for that.
    """
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = arena
    # The weights stay out of the arena: it can give back only what is wholly free.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises types of its own
        raise SpeechError("MODEL_CORRUPT", f"{model.name} can't be loaded; pull it again") from error
