"""The simulated card keeps what was synced and nothing else for sure; the store on it keeps its word."""

from __future__ import annotations

import errno
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_assistant.bench.storage.cuts import cut
from edge_assistant.bench.storage.disk import SECTOR_BYTES, CardError, Disk, File
from edge_assistant.bench.storage.faults import fail_each
from edge_assistant.bench.storage.script import Card

SIZE = 4 * SECTOR_BYTES


@pytest.fixture(scope="module")
def card() -> Card:
    return Card()


@given(
    synced=st.binary(min_size=1, max_size=64),
    writes=st.lists(st.tuples(st.integers(0, SIZE), st.binary(min_size=1, max_size=64)), max_size=5),
    seed=st.integers(0, 99),
)
def test_synced_bytes_survive_wherever_no_later_write_touched_their_sector(synced, writes, seed) -> None:
    disk = Disk({"f": bytes(SIZE)})
    file = disk.files["f"]
    disk.write(file, synced, SECTOR_BYTES)
    disk.sync(file)
    before = bytes(file.now)
    for offset, data in writes:
        disk.write(file, data, offset)
    disk.power_back(random.Random(seed))
    for sector in range(4):
        start, end = sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES
        if not any(offset < end and offset + len(data) > start for offset, data in writes):
            assert file.now[start:end] == before[start:end]


def test_an_unsynced_sector_is_kept_dropped_or_garbled() -> None:
    found = set()
    for seed in range(60):
        file = File(now=bytearray(SECTOR_BYTES), safe=bytes(SECTOR_BYTES), named=True)
        file.write(b"x" * SECTOR_BYTES, 0)
        file.after_cut(random.Random(seed))
        found.add(
            {b"x" * SECTOR_BYTES: "kept", bytes(SECTOR_BYTES): "dropped"}.get(bytes(file.now), "garbled")
        )
    assert found == {"kept", "dropped", "garbled"}


def test_a_dead_card_does_nothing_until_power_is_back() -> None:
    disk = Disk({"f": b"1"})
    disk.cut_power_at(1)
    for _ in range(2):
        with pytest.raises(CardError):
            disk.write(disk.files["f"], b"2", 0)
    disk.power_back(random.Random(1))
    disk.write(disk.files["f"], b"3", 0)
    assert disk.files["f"].now == b"3"


async def test_power_cuts_take_nothing_that_was_acknowledged(card: Card) -> None:
    losses = await cut(card, 75, random.Random(4))
    assert (losses.corrupt, losses.lost) == (0, 0)
    assert losses.met_checkpoints
    assert losses.acknowledged > 75


async def test_without_synchronous_writing_the_same_cuts_do_harm(card: Card) -> None:
    assert (await cut(card, 25, random.Random(4), "off")).harmful


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
async def test_any_failing_operation_is_a_clear_error_and_no_damage(card: Card, error: int) -> None:
    outcome = await fail_each(card, error, 9)
    assert outcome.harmed == 0
    assert outcome.errors > 5
