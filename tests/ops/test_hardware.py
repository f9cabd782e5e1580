"""The facts of the machine that runs the tests make sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_assistant.ops import hardware
from edge_assistant.ops.hardware import existing, read_hardware


def test_this_machine_has_cores_memory_and_disk(tmp_path: Path) -> None:
    facts = read_hardware(tmp_path / "not" / "there" / "yet")
    assert facts.cores >= 1
    assert facts.memory_bytes >= facts.memory_available_bytes > 0
    assert facts.disk_free_bytes > 0
    assert facts.architecture


def test_a_raspberry_pi_is_known_by_its_device_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp crc32\n\nModel\t: Raspberry Pi 5\n")
    monkeypatch.setattr(hardware, "_DEVICE_TREE_MODEL", model)
    monkeypatch.setattr(hardware, "_CPU_INFO", info)
    facts = read_hardware(tmp_path)
    assert facts.device == "Raspberry Pi 5 Model B Rev 1.0"
    assert facts.processor == "Raspberry Pi 5"
    assert facts.features == ("asimd", "asimddp")


def test_the_nearest_folder_that_exists_is_found(tmp_path: Path) -> None:
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert existing(tmp_path) == tmp_path
