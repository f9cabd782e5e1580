"""What is old is forgotten once a night, and a clock that jumps makes nothing old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from edge_assistant.assistant.forgetting import Receipt
from edge_assistant.config.schema import Retention
from edge_assistant.store.erase import Old, Subject
from edge_assistant.wiring.retention import BY, DAY_SECONDS, NightlyForgetting

EVENING = datetime(2026, 5, 3, 22, tzinfo=UTC)
NIGHT = datetime(2026, 5, 4, 3, tzinfo=UTC)


class Forgetter:
    """Notes what it was to forget."""

    def __init__(self) -> None:
        self.found = {"messages": 2}
        self.forgot: list[Subject] = []

    async def preview(self, subject: Subject) -> dict[str, int]:
        del subject
        return self.found

    async def forget(self, subject: Subject, by: str) -> Receipt:
        assert by == BY
        self.forgot.append(subject)
        return Receipt(
            kind="old", subject="s", by="b", at=1.0, erased=self.found, log_emptied=True, backups_erased=0
        )


@pytest.fixture
def forgetter() -> Forgetter:
    return Forgetter()


@pytest.fixture
def nightly(forgetter: Forgetter, tmp_path: Path) -> NightlyForgetting:
    return NightlyForgetting(Retention(history_days=30), forgetter, tmp_path / "receipts")


async def test_it_forgets_once_a_night_and_keeps_the_receipt(
    nightly: NightlyForgetting, forgetter: Forgetter, tmp_path: Path
) -> None:
    assert await nightly.look(EVENING, 0) is None
    receipt = await nightly.look(NIGHT, 5 * 3600)
    assert forgetter.forgot == [Old(turns_before=NIGHT.timestamp() - 30 * DAY_SECONDS)]
    kept = (tmp_path / "receipts" / "2026-05-04.json").read_bytes()
    assert msgspec.json.decode(kept, type=Receipt) == receipt
    assert await nightly.look(NIGHT + timedelta(hours=1), 6 * 3600) is None
    await nightly.look(NIGHT + timedelta(days=1), 29 * 3600)
    assert len(forgetter.forgot) == 2


async def test_a_night_without_anything_old_leaves_no_receipt(
    nightly: NightlyForgetting, forgetter: Forgetter, tmp_path: Path
) -> None:
    forgetter.found = {}
    await nightly.look(EVENING, 0)
    assert await nightly.look(NIGHT, 5 * 3600) is None
    assert not (tmp_path / "receipts").exists()


async def test_a_clock_that_jumped_is_not_believed_for_an_hour(
    nightly: NightlyForgetting, forgetter: Forgetter
) -> None:
    await nightly.look(EVENING, 0)
    wrong = NIGHT + timedelta(days=9000)
    assert await nightly.look(wrong, 5 * 3600) is None
    assert await nightly.look(NIGHT + timedelta(minutes=10), 5 * 3600 + 600) is None
    assert forgetter.forgot == []
    assert await nightly.look(NIGHT + timedelta(minutes=71), 5 * 3600 + 4260) is not None
