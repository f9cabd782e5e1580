"""Files come here whole or not at all, and a cut download goes on where it was cut."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_assistant.update.pace import Limits, Pace
from edge_assistant.update.release import File, UpdateError
from edge_assistant.update.shelf import Shelf, require_room
from edge_assistant.update.source import open_source
from tests.update.operator import QUICK, Operator
from tests.update.server import Server

SIZE = 500_000


@pytest.fixture
def wheel(operator: Operator) -> File:
    operator.release("1.1", SIZE)
    return next(file for file in operator.offer(str(operator.served)).release.files if file.size == SIZE)


def bring(shelf: Shelf, where: str, file: File) -> Path:
    source = open_source(where, QUICK)
    return shelf.bring(source, file.target, file.sha256, file.size, lambda _: None)


def refused(shelf: Shelf, where: str, file: File) -> str:
    with pytest.raises(UpdateError) as caught:
        bring(shelf, where, file)
    return caught.value.code


def test_a_download_that_was_cut_goes_on_there(wheel: File, server: Server, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", lambda _: None)
    server.cut_after = 200_000
    assert refused(shelf, server.url, wheel) == "UPDATE_UNREACHABLE"
    assert shelf.missing_bytes(wheel.sha256, wheel.size) == 300_000
    server.cut_after = None
    server.asked.clear()
    assert bring(shelf, server.url, wheel).stat().st_size == SIZE
    assert [start for _, start in server.asked] == [200_000]
    assert shelf.holds(wheel.sha256, wheel.size)


def test_a_connection_cut_once_is_taken_up_again_by_itself(
    wheel: File, server: Server, tmp_path: Path
) -> None:
    server.cut_after = 123_456

    def heal(_: float) -> None:
        server.cut_after = None

    shelf = Shelf(tmp_path / "shelf", heal)
    bring(shelf, server.url, wheel)
    assert [start for path, start in server.asked if "targets" in path] == [0, 123_456]


def test_a_server_without_ranges_is_asked_for_the_whole(wheel: File, server: Server, tmp_path: Path) -> None:
    server.ranges = False
    shelf = Shelf(tmp_path / "shelf", lambda _: None)
    server.cut_after = 200_000
    assert refused(shelf, server.url, wheel) == "UPDATE_UNREACHABLE"
    server.cut_after = None
    bring(shelf, server.url, wheel)


def test_a_part_of_something_else_does_no_harm(wheel: File, server: Server, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", lambda _: None)
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / f"{wheel.sha256}.part").write_bytes(b"?" * 1000)
    bring(shelf, server.url, wheel)
    assert shelf.holds(wheel.sha256, wheel.size)


def test_a_file_that_rotted_on_the_card_is_fetched_anew(wheel: File, server: Server, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", lambda _: None)
    path = bring(shelf, server.url, wheel)
    path.write_bytes(b"?" * SIZE)
    assert not shelf.holds(wheel.sha256, wheel.size)
    bring(shelf, server.url, wheel)


def test_no_network_at_all_is_said(operator: Operator) -> None:
    with pytest.raises(UpdateError) as caught:
        operator.offer("http://127.0.0.1:9")
    assert caught.value.code == "UPDATE_UNREACHABLE"


def test_a_web_server_without_releases_is_said(operator: Operator, server: Server) -> None:
    server.folder = operator.folder / "nothing"
    with pytest.raises(UpdateError, match="no releases lie there") as caught:
        operator.offer(server.url)
    assert caught.value.code == "UPDATE_UNREACHABLE"


def test_a_stick_serves_as_the_server_does(wheel: File, operator: Operator, tmp_path: Path) -> None:
    stick = shutil.copytree(operator.served, tmp_path / "stick")
    shelf = Shelf(tmp_path / "shelf")
    bring(shelf, str(stick), wheel)
    assert shelf.holds(wheel.sha256, wheel.size)
    with pytest.raises(UpdateError) as caught:
        open_source(str(tmp_path / "no-stick"))
    assert caught.value.code == "UPDATE_SOURCE_GONE"
    with pytest.raises(UpdateError) as caught:
        open_source("")
    assert caught.value.code == "UPDATE_NO_SOURCE"


def test_a_stick_pulled_out_is_said_and_what_was_read_stays(
    wheel: File, operator: Operator, tmp_path: Path
) -> None:
    stick = shutil.copytree(operator.served, tmp_path / "stick")
    shelf = Shelf(tmp_path / "shelf", lambda _: None)
    source = open_source(str(stick), QUICK)
    shutil.rmtree(stick)
    with pytest.raises(UpdateError) as caught:
        shelf.bring(source, wheel.target, wheel.sha256, wheel.size, lambda _: None)
    assert caught.value.code == "UPDATE_SOURCE_GONE"
    bring(shelf, str(operator.served), wheel)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)), check=True)
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_a_full_disk_is_said_before_and_in_the_middle_and_what_came_stays(
    wheel: File, server: Server, small_disk: Path
) -> None:
    with pytest.raises(UpdateError, match=r"needs 1 MB below .* 0 MB are free") as caught:
        require_room(small_disk, wheel.size)
    assert caught.value.code == "UPDATE_DISK_FULL"
    shelf = Shelf(small_disk / "shelf", lambda _: None)
    assert refused(shelf, server.url, wheel) == "UPDATE_DISK_FULL"
    subprocess.run(("mount", "-o", "remount,size=1m", str(small_disk)), check=True)
    server.asked.clear()
    bring(shelf, server.url, wheel)
    assert server.asked[0][1] > 100_000
    assert [path.name for path in (small_disk / "shelf").iterdir()] == [wheel.sha256]


def test_a_pace_is_judged_over_whole_windows_only() -> None:
    pace = Pace(Limits(window_seconds=60, least_bytes_per_second=1000), 0)
    pace.arrived(1, 59.9)
    pace.arrived(60_000, 60)
    pace.arrived(59_000, 119)
    with pytest.raises(UpdateError, match="UPDATE_SLOW"):
        pace.arrived(1, 121)
