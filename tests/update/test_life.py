"""A device's life with updates: real releases, installer, guard and processes; a small program to update.

The tests stand in the order of one device's life.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from edge_assistant.bench.fleet.update_cuts import Device
from edge_assistant.bench.fleet.yard import ProcessService, Yard
from edge_assistant.update.keepsake import Keepsake
from edge_assistant.update.pace import Limits
from edge_assistant.update.place import Place
from edge_assistant.update.release import UpdateError
from edge_assistant.update.service import Health
from edge_assistant.update.trial import Patience, Trial
from tests.update.server import Server

LATER = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    return Yard(tmp_path_factory.mktemp("yard")).set_up()


@pytest.fixture
def service(yard: Yard) -> Iterator[ProcessService]:
    service = yard.service()
    service.start()
    wait_until(lambda: service.health().running)
    yield service
    service.stop()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def version(service: ProcessService) -> str:
    said = service.said()
    return said.version if said and service.health().running else ""


def refused(code: str) -> contextlib.AbstractContextManager[object]:
    return pytest.raises(UpdateError, match=f"^{code}: ")


@LATER
def test_a_release_is_taken_from_a_web_server_and_the_old_version_stays_beside(
    yard: Yard, service: ProcessService
) -> None:
    yard.release("1.1")
    with Server(yard.repository_folder) as server:
        updater = yard.updater(service, server.url)
        check = updater.check()
        assert (check.installed, check.offered, check.update) == ("1.0", "1.1", True)
        outcome = updater.apply()
        assert outcome is not None
        assert (outcome.version, outcome.result) == ("1.1", "applied")
        assert version(service) == "1.1"
        assert updater.apply() is None
        assert not updater.check().update
    assert yard.place.others == ["installed-1"]


@LATER
def test_the_next_release_brings_only_what_differs(yard: Yard, service: ProcessService) -> None:
    yard.release("1.2")
    with Server(yard.repository_folder) as server:
        yard.updater(service, server.url).apply()
        asked = [path for path, _ in server.asked if "/targets/files/" in path]
    assert len(asked) == 1
    assert "edge_assistant-1.2" in asked[0]


@pytest.mark.parametrize(
    ("number", "manner", "code"),
    [("1.3", "crashing", "UPDATE_RESTARTED"), ("1.4", "starting", "UPDATE_NOT_WELL")],
)
@LATER
def test_a_release_that_does_harm_gives_its_place_back_and_is_not_tried_again(
    yard: Yard, service: ProcessService, number: str, manner: str, code: str
) -> None:
    yard.release(number, manner)
    start_seconds = 2.0 if manner == "starting" else 60.0
    patience = Patience(start_seconds=start_seconds, probation_seconds=0.3, look_seconds=0.03)
    updater = yard.updater(service, patience=patience)
    with refused(code):
        updater.apply()
    wait_until(lambda: version(service) == "1.2")
    assert yard.place.others == ["1.1-1"], "nothing of it is left"
    with refused("UPDATE_FAILED_BEFORE"):
        updater.apply()
    assert updater.check().failed_before == code


@LATER
def test_a_version_that_can_not_be_put_together_changes_nothing(yard: Yard, service: ProcessService) -> None:
    yard.release("1.5", "not python at all \x00")
    with refused("UPDATE_INSTALL_FAILED"):
        yard.updater(service).apply()
    assert version(service) == "1.2"
    assert yard.place.others == ["1.1-1"]
    assert yard.place.probation is None


@LATER
def test_an_update_comes_from_a_stick_and_one_that_is_pulled_out_changes_nothing(
    yard: Yard, service: ProcessService, tmp_path: Path
) -> None:
    yard.release("1.6", ballast=bytes(300_000))
    stick = shutil.copytree(yard.repository_folder, tmp_path / "stick")
    for path in (stick / "targets").rglob("*.whl"):
        path.unlink()  # as a stick that goes while it is read
    with refused("UPDATE_WRONG_TARGET"):
        yard.updater(service, str(stick)).apply()
    shutil.rmtree(stick)
    with refused("UPDATE_SOURCE_GONE"):
        yard.updater(service, str(stick)).apply()
    assert version(service) == "1.2"
    shutil.copytree(yard.repository_folder, stick)
    yard.updater(service, str(stick)).apply()
    assert version(service) == "1.6"


@LATER
def test_no_network_in_the_middle_is_said_and_the_next_time_goes_on_there(
    yard: Yard, service: ProcessService
) -> None:
    yard.release("1.7", ballast=bytes(400_000))
    limits = Limits(tries=2, pause_seconds=0.0)
    with Server(yard.repository_folder) as server:
        server.cut_after = 250_000
        with refused("UPDATE_UNREACHABLE"):
            yard.updater(service, server.url, limits=limits).apply()
        assert version(service) == "1.6"
        server.cut_after = None
        server.asked.clear()
        yard.updater(service, server.url).apply()
        assert [start for path, start in server.asked if path.endswith(".whl")] > [200_000]
    assert version(service) == "1.7"


@LATER
def test_an_owner_goes_back_and_stays_there(yard: Yard, service: ProcessService) -> None:
    assert yard.updater(service).rollback().version == "1.6"
    assert version(service) == "1.6"
    with refused("UPDATE_FAILED_BEFORE"):
        yard.updater(service).apply()
    yard.updater(service).apply(again=True)
    assert version(service) == "1.7"


@LATER
def test_a_full_disk_stops_it_before_anything_is_changed(
    yard: Yard, service: ProcessService, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(small)), check=True)
    yard.release("1.8")
    work = yard.place.work
    shutil.copytree(work, small, dirs_exist_ok=True)
    subprocess.run(("mount", "--bind", str(small), str(work)), check=True)
    try:
        with refused("UPDATE_DISK_FULL"):
            yard.updater(service).apply()
        assert version(service) == "1.7"
        assert yard.place.probation is None
    finally:
        subprocess.run(("umount", str(work), str(small)), check=True)
    yard.updater(service).apply()
    assert version(service) == "1.8"


@LATER
def test_a_model_comes_with_a_release_and_is_fetched_once(yard: Yard, service: ProcessService) -> None:
    models = {"tiny/weights.gguf": b"GGUF one", "other/deep/er.bin": b"two"}
    yard.release("1.9", models=models)
    with Server(yard.repository_folder) as server:
        yard.updater(service, server.url).apply()
        for name, content in models.items():
            assert (yard.state / "models" / name).read_bytes() == content
        server.asked.clear()
        (yard.state / "models" / "other/deep/er.bin").unlink()
        yard.release("1.10", models=models)
        yard.updater(service, server.url).apply()
        asked = {path.rpartition(".")[0].split(".", 1)[-1] for path, _ in server.asked if "/files/" in path}
        assert asked == {"er", "edge_assistant-1.10-py3-none-any"}
    assert (yard.state / "models" / "other/deep/er.bin").exists()


@LATER
def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_version_running(tmp_path: Path) -> None:
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(tmp_path)), check=True)
    try:
        yard = Yard(tmp_path / "yard").set_up()
        yard.release("1.1")
        used = sum(1 for _ in tmp_path.rglob("*"))
        remount = f"remount,size=200m,nr_inodes={used + 300}"  # room for bytes, but soon none for files
        subprocess.run(("mount", "-o", remount, str(tmp_path)), check=True)
        with refused("UPDATE_DISK_FULL"):
            yard.updater(yard.service()).apply()
        assert yard.place.current == "installed-1"
        assert [path.name for path in (yard.place.prefix / "versions").iterdir()] == ["installed-1"]
        assert yard.boot() == "1.0"
        subprocess.run(("mount", "-o", "remount,size=200m,nr_inodes=1000000", str(tmp_path)), check=True)
        service = yard.service()
        service.start()
        yard.updater(service).apply()
        service.stop()
        assert yard.boot() == "1.1"
    finally:
        subprocess.run(("umount", str(tmp_path)), check=True)


def test_two_updates_at_once_are_one_too_many(yard: Yard, service: ProcessService) -> None:
    with yard.place.alone(), refused("UPDATE_RUNNING"):
        yard.updater(service).apply()


def test_a_program_that_install_sh_did_not_install_says_so() -> None:
    with refused("UPDATE_NOT_INSTALLED"):
        Place.own()


def test_a_device_without_the_operators_root_trusts_nothing(yard: Yard, service: ProcessService) -> None:
    kept = yard.root.read_bytes()
    yard.root.unlink()
    with refused("UPDATE_NOT_TRUSTED"):
        yard.updater(service).apply()
    yard.root.write_bytes(kept)


@LATER
def test_power_cuts_leave_a_version_that_starts(tmp_path: Path) -> None:
    """A few of the 200 that `bench fleet` makes."""
    context = get_context("forkserver")
    device = Device(context, tmp_path / "device")
    seconds, operations = device.undisturbed()
    device.suffer(lambda: len(device.booted) < 5, seconds, operations)
    assert device.neither == 0
    assert device.unfinished == 0


@pytest.mark.parametrize("step", ["written down", "switched", "started once", "returned by the guard"])
def test_a_cut_between_the_steps_of_a_trial_is_gone_on_from(tmp_path: Path, step: str) -> None:
    yard = Yard(tmp_path)
    for name in ("old", "new"):
        folder = yard.place.folder(name)
        folder.mkdir(parents=True)
        (folder / "version").write_text(f"edge-assistant {name}\n")
    yard.place.work.mkdir()
    yard.place.switch("old")
    yard.place.begin_probation("new", "ok")
    if step != "written down":
        yard.place.switch("new")
    guard = Path(__file__).parents[2] / "systemd" / "guard"
    starts = {"started once": 1, "returned by the guard": 3}.get(step, 0)
    for _ in range(starts):
        subprocess.run((str(guard),), env={"EDGE_ASSISTANT_PREFIX": str(yard.place.prefix)}, check=True)
    probation = yard.place.probation
    assert probation is not None
    assert probation.starts == starts
    expected = "old" if step in {"written down", "returned by the guard"} else "new"
    assert yard.place.current == expected
    keepsake = Keepsake(yard.state / "assistant.db")
    trial = Trial(yard.place, Well(), keepsake, lambda _: None, Patience(probation_seconds=0, look_seconds=0))
    outcome = trial.go_on()
    results = {"switched": "applied", "started once": "applied", "returned by the guard": "returned"}
    assert (outcome.result if outcome else "") == results.get(step, "")
    assert yard.place.probation is None
    assert yard.place.current == expected
    assert trial.go_on() is None


class Well:
    """A service that is always well."""

    def stop(self) -> None:
        pass

    def start(self) -> None:
        pass

    def health(self) -> Health:
        return Health(running=True, word="ok")
