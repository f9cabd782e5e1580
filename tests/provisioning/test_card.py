"""A card that Raspberry Pi Imager has written is given the bundle, or refused with what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

PROVISIONING = Path(__file__).parents[2] / "provisioning"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    card = tmp_path / "bootfs"
    card.mkdir()
    (card / "cmdline.txt").write_text("console=tty1 root=/dev/mmcblk0p2\n")
    (card / "user-data").write_text("#cloud-config\nhostname: pi\n")
    return card


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    (bundle / "wheels").mkdir(parents=True)
    (bundle / "first-boot").write_bytes((PROVISIONING / "first-boot").read_bytes())
    (bundle / "wheels" / "thing-1-cp311-cp311-linux_aarch64.whl").write_bytes(b"wheel")
    return bundle


def prepare(card: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    script = str(PROVISIONING / "raspberry-pi" / "prepare-card")
    return subprocess.run(
        ("sh", script, str(card), str(bundle)), capture_output=True, text=True, check=False, timeout=60
    )


def test_a_card_is_prepared_twice_and_keeps_what_imager_wrote(card: Path, bundle: Path) -> None:
    for _ in range(2):
        done = prepare(card, bundle)
        assert done.returncode == 0, done.stderr
    assert (card / "user-data").read_text() == "#cloud-config\nhostname: pi\n"
    assert (card / "cmdline.txt").read_text() == (
        "console=tty1 root=/dev/mmcblk0p2 cgroup_enable=memory psi=1\n"
    )
    assert (card / "edge-assistant" / "first-boot").exists()
    assert (card / "vendor-data").read_bytes() == (PROVISIONING / "cloud-init" / "vendor-data").read_bytes()
    assert not (card / "edge-assistant.new").exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda card, _: (card / "user-data").unlink(), "has no cloud-init"),
        (lambda card, _: (card / "cmdline.txt").unlink(), "is no boot partition"),
        (lambda card, _: (card / "vendor-data").write_text("#!/bin/sh\n"), "somebody else's"),
        (lambda _, bundle: (bundle / "first-boot").unlink(), "is no bundle"),
        (lambda _, bundle: (bundle / "wheels" / "a_x86_64.whl").write_bytes(b""), "is for x86-64"),
    ],
    ids=["no cloud-init", "no boot partition", "another vendor-data", "no bundle", "another processor"],
)
def test_what_can_not_boot_is_refused_and_nothing_is_written(
    card: Path, bundle: Path, harm, said: str
) -> None:
    harm(card, bundle)
    before = {path: path.read_bytes() for path in card.rglob("*") if path.is_file()}
    done = prepare(card, bundle)
    assert done.returncode != 0
    assert said in done.stderr
    assert {path: path.read_bytes() for path in card.rglob("*") if path.is_file()} == before


def test_the_files_of_cloud_init_are_what_it_reads() -> None:
    folder = PROVISIONING / "cloud-init"
    user_data = (folder / "user-data").read_text()
    assert user_data.startswith("#cloud-config\n")
    assert {"hostname", "users", "runcmd"} <= yaml.safe_load(user_data).keys()
    assert yaml.safe_load((folder / "network-config").read_text())["network"]["version"] == 2
    assert (folder / "vendor-data").read_text().startswith("#!/bin/sh\n")
