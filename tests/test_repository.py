"""The repository keeps its promises: documents, commands, pins and the wheel agree with the source."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edge_assistant.cli import COMMANDS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NO_CODES = {
    *("ALSA_CONFIG_PATH", "PULSE_COOKIE", "PULSE_RUNTIME_PATH", "PULSE_SERVER", "PULSE_STATE_PATH"),
    *("XDG_RUNTIME_DIR",),
    *("ARM_HOME", "ARM_AWAY"),
    *("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *(
        "JOURNAL_STREAM",
        *(
            "LISTEN_PID",
            "LISTEN_FDS",
            "CODE_FILE",
            "CODE_LINE",
            "CODE_FUNC",
            "MESSAGE_ID",
            "SYSLOG_IDENTIFIER",
        ),
        "SC_PAGE_SIZE",
        "GGML_NO_BACKTRACE",
        "DEFAULT_PERSONA",
        "BUILT_IN_PERSONAS",
        "MODEL_REMOTE",
        "HF_HUB_DISABLE_TELEMETRY",
        "HF_HUB_OFFLINE",
        "ORT_DISABLE_TELEMETRY",
        "TOKENIZERS_PARALLELISM",
    ),
}
"""Words of the source that look like error codes and are names of something else."""


def tracked_files() -> list[Path]:
    """The files of the commit, and those about to be in it; without git, all that is not made by tools."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".ico", ".woff2"}]


def make(*arguments: str) -> str:
    """What make prints, without the variables of a make that these tests may run under."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for name in ("ARGS", "CUDA", "CMAKE_ARGS", "PYTHON"):
        kept.pop(name, None)
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, check=True).stdout


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith("https://"):
            continue
        name, _, fragment = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert fragment in map(anchor, headings), target


def test_help_names_every_target_that_people_may_call() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = make("help")
    for target in phony[1].split():
        assert re.search(rf"^ +make {target} ", shown, re.MULTILINE), target


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for words in re.findall(r"(?:`|^    )make ((?:[a-z]+ ?)+)", document.read_text(), re.MULTILINE):
            assert set(words.split()) <= targets, f"{document.name}: make {words}"


def test_every_command_in_the_documents_exists() -> None:
    names = {name for name, _, _ in COMMANDS}
    for document in DOCUMENTS:
        for word in re.findall(r"edge-assistant ([a-z][a-z-]+)", document.read_text()):
            assert word in names, f"{document.name}: edge-assistant {word}"


def test_cleaning_removes_what_was_made_and_nothing_else(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "constraints.txt", tmp_path)
    for made in (".venv/bin", "edge_assistant/llm/__pycache__", "tests", "dist"):
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "edge_assistant/llm/kept.py").touch()
    make("-C", str(tmp_path), "clean")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"Makefile", "pyproject.toml", "constraints.txt", "edge_assistant/llm/kept.py"}
    assert not (tmp_path / ".venv").exists()
    assert not (tmp_path / "edge_assistant/llm/__pycache__").exists()


def test_a_gpu_build_compiles_the_pinned_engine_with_cuda_and_installs_the_rest_after_it() -> None:
    lines = make("--always-make", "--dry-run", "run", "CUDA=1")
    build = re.search(
        r'^CMAKE_ARGS="-DGGML_CUDA=on .*--force-reinstall.* (llama-cpp-python==\S+)$', lines, re.MULTILINE
    )
    assert build is not None
    assert build[1] in (ROOT / "constraints.txt").read_text().split()
    assert build.end() < lines.index("install --disable-pip-version-check -c constraints.txt -e '.'")
    assert lines.rstrip().endswith("bin/edge-assistant run")


def test_an_ordinary_build_has_no_cuda_in_it() -> None:
    assert "CUDA" not in make("--always-make", "--dry-run", "run")


def imported_codes(source: Path) -> Iterator[str]:
    tree = ast.parse(source.read_text())
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", node.value) and not node.value.startswith("EDGE_ASSISTANT_"):
            yield node.value


def test_every_error_code_is_explained_and_every_explained_one_exists() -> None:
    raised = {code for path in (ROOT / "edge_assistant").rglob("*.py") for code in imported_codes(path)}
    raised -= NO_CODES
    explained = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    assert raised - explained == set(), "explain it in docs/errors.md (or name it in NO_CODES)"
    assert {code for code in explained - raised if "_" in code} == set()


def logged_texts(source: Path) -> Iterator[tuple[int, ast.expr]]:
    """Yield the text of each record that a file may write."""
    for node in ast.walk(ast.parse(source.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=level), args=[text, *rest]):
                yield node.lineno, rest[0] if level == "log" else text


def test_every_text_of_the_log_stands_in_the_source_so_that_it_may_be_shared() -> None:
    logged = [
        (f"{path.name}:{line}", text)
        for path in (ROOT / "edge_assistant").rglob("*.py")
        for line, text in logged_texts(path)
    ]
    assert len(logged) > 100
    assert [place for place, text in logged if not isinstance(text, ast.Constant)] == []


def test_no_file_names_a_package_index_or_a_path_of_somebodys_machine() -> None:
    # The patterns are written so that this file does not match them.
    index = (
        r"py(pi)\.org|pythonhosted\.o(rg)|registry\.npmj(s)|deb\.deb(ian)\.org|--(extra-)?index-ur(l)[= ]http"
    )
    machine = r"(?<![\w.~$}])/(wor(k)|roo(t)|hom(e)/\w+|Users/\w+)/\w"
    for path in tracked_files():
        found = re.search(f"{index}|{machine}", path.read_text(errors="replace"))
        assert found is None, f"{path.relative_to(ROOT)}: {found[0] if found else ''}"


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in pins}


def needed(requirement: str, seen: set[str]) -> None:
    """Collect the names of what an installation of `requirement` brings, as far as it is installed here."""
    parsed = Requirement(requirement)
    extras = parsed.extras or {""}
    if parsed.marker and not any(parsed.marker.evaluate({"extra": extra}) for extra in extras):
        return
    name = canonicalize_name(parsed.name)
    if name in seen and not parsed.extras:
        return
    seen.add(name)
    for inner in metadata.distribution(parsed.name).requires or []:
        dependency = Requirement(inner)
        if dependency.marker is None or any(dependency.marker.evaluate({"extra": e}) for e in extras):
            dependency.marker = None
            needed(str(dependency), seen)


def test_every_installed_dependency_is_pinned_to_one_version_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"]]
    names: set[str] = set()
    for requirement in wanted:
        needed(requirement, names)
    assert names - set(pinned()) == {"pip", "setuptools"}, "`llm` asks for them; each venv has its own"
    for requirement in map(Requirement, [*wanted, *extras["systemd"]]):
        assert pinned()[canonicalize_name(requirement.name)] in requirement.specifier, requirement.name


def test_notice_names_every_package_that_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names: set[str] = set()
    for requirement in project["dependencies"]:
        needed(requirement, names)
    notice = canonicalize_name(" ".join((ROOT / "NOTICE").read_text().split()))
    assert {name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", notice)} == set()


def test_the_wheel_holds_the_catalogue_the_page_and_the_licence(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        catalogue = archive.read("edge_assistant/models/catalog.toml")
    assert catalogue == (ROOT / "models" / "catalog.toml").read_bytes()
    assert "edge_assistant/frontends/web/static/index.html" in names
    assert "edge_assistant/fleet/registrar/static/page.js" in names
    assert any(name.endswith("licenses/NOTICE") for name in names)
    assert not any(name.startswith("tests/") or name.endswith(".gguf") for name in names)


def test_the_version_is_in_the_changelog() -> None:
    from edge_assistant import __version__

    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_secret_of_the_daemon_is_handed_over_by_its_unit_and_documented():
    source = "".join(
        path.read_text()
        for path in (ROOT / "edge_assistant").rglob("*.py")
        if path.parent.name not in ("cli", "bench")  # a command's secrets are its own
    )
    wanted = {*re.findall(r'\bsecret\("(\w+)"\)', source), "device_key"}
    assert {"fleet_claim", "home_pin", "llm_api_key", "telemetry_token"} <= wanted
    unit = (ROOT / "systemd" / "edge-assistant.service").read_text()
    given = re.findall(r"^LoadCredential=(\w+):edge-assistant\.(\w+)$", unit, re.MULTILINE)
    assert all(name == file for name, file in given)
    assert {name for name, _ in given} == wanted
    document = (ROOT / "docs" / "configuration.md").read_text()
    section = document.partition("## Secrets")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == wanted
