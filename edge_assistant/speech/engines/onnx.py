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


def quiet_session(model: Path, threads: int = 1) -> Any:
    """Open a model on the CPU; raises `SpeechError` ENGINE_MISSING or MODEL_CORRUPT."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = False  # an arena never gives memory back
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises types of its own
        raise SpeechError("MODEL_CORRUPT", f"{model.name} can't be loaded; pull it again") from error
