"""The library through the real daemon: add a PDF, ask, and read the answer with its page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_assistant.memory.embedding import EMBEDDER
from tests.daemon import Daemon
from tests.documents import samples

BOILER = [
    "The boiler stands in the cellar, beside the washing machine. It was built in 2016.",
    "Error E4 means that the water pressure is too low. Open the blue valve until the gauge shows 1.6 bar.",
    "The warranty ends in March 2031. Call the fitter for any repair of the burner.",
]


@pytest.fixture
def boiler(tmp_path):
    return samples.pdf(
        tmp_path / "boiler.pdf",
        BOILER,
        title="Boiler manual",
        headings={1: "Place", 2: "Errors", 3: "Warranty"},
    )


def add(daemon: Daemon, *things: str) -> list[dict]:
    done = daemon.cli("documents", "add", "--json", *things)
    assert done.returncode == 0, done.stderr + daemon.log
    return [json.loads(line) for line in done.stdout.splitlines()]


def embedded(daemon: Daemon) -> bool:
    items = daemon.order(type="documents.list")["items"]
    return all(each["state"] == "ready" and not each["pending"] for each in items)


def test_a_pdf_is_added_and_a_question_is_answered_citing_its_page(daemon, boiler):
    (document,) = add(daemon, str(boiler))
    assert (document["state"], document["kind"], document["pages"]) == ("ready", "pdf", 3)
    daemon.wait_until(lambda: embedded(daemon), 60)
    answer = daemon.ask("What does error E4 of the boiler mean?")
    assert answer["type"] == "turn.finished", answer
    assert answer["route"]["rung"] == "extractive"
    assert "water pressure is too low" in answer["text"]
    assert answer["text"].endswith("[1]")
    cited = answer["sources"][0]
    assert (cited["source"], cited["title"], cited["where"]) == (
        document["id"],
        "Boiler manual",
        "page 2, Errors",
    )
    printed = daemon.cli("ask", "What does error E4 of the boiler mean?")
    assert printed.stderr.splitlines()[-1] == "[1] Boiler manual, page 2, Errors"
    missing = daemon.ask("What do my documents say about the dishwasher's salt?")
    assert missing["text"] == "Your documents don't tell."
    assert "sources" not in missing or not missing["sources"]


def test_documents_are_listed_searched_and_removed_in_the_terminal(daemon, boiler, tmp_path):
    (tmp_path / "notes.md").write_text("# Garden\n\nThe roses want water on Tuesdays.\n", encoding="utf-8")
    pdf, notes = add(daemon, str(boiler), str(tmp_path / "notes.md"))
    assert [each["id"] for each in add(daemon, str(boiler))] == [pdf["id"]]
    listed = daemon.cli("documents", "list").stdout
    assert "Boiler manual" in listed
    assert "Garden" in listed
    daemon.wait_until(lambda: embedded(daemon), 60)
    found = daemon.cli("documents", "search", "--json", "when do the roses get water").stdout
    assert json.loads(found.splitlines()[0])["document"] == notes["id"]
    only = daemon.cli("documents", "search", "--json", "--source", "pdf", "water on Tuesdays").stdout
    assert {json.loads(line)["document"] for line in only.splitlines()} == {pdf["id"]}
    assert daemon.cli("documents", "remove", notes["id"]).returncode == 0
    gone = daemon.cli("documents", "search", "--json", "roses Tuesdays").stdout
    assert "roses" not in gone
    again = daemon.cli("documents", "remove", notes["id"])
    assert again.stderr.startswith("error: DOCUMENT_NOT_FOUND")
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 40)
    failed = daemon.cli("documents", "add", str(broken))
    assert failed.returncode == 1
    assert "DOCUMENT_BROKEN" in failed.stdout


OTHER = "bge-small-en-v1.5"
CHAPTERS = 400


def pending(daemon: Daemon) -> int:
    (document,) = daemon.order(type="documents.list")["items"]
    return document["pending"] if document["state"] == "ready" else CHAPTERS


def test_another_embedder_takes_over_in_the_background_also_across_a_power_cut(
    make_daemon: Callable[..., Daemon], models_folder: Path, starter_model: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / starter_model.parent.name).symlink_to(starter_model.parent)
    for name in (EMBEDDER, OTHER):  # the same network, whose vectors are made in the other's way
        (models / name).symlink_to(models_folder / EMBEDDER)
    book = tmp_path / "book.md"
    chapters = [f"# Chapter {n}\n\nThe lighthouse number {n} was painted anew." for n in range(CHAPTERS - 1)]
    book.write_text("\n\n".join([*chapters, "# Last\n\nThe plumber comes on Thursday to mend the shower."]))
    daemon = make_daemon(EDGE_ASSISTANT_MODELS=str(models))
    add(daemon, str(book))
    daemon.wait_until(lambda: embedded(daemon), 90)
    daemon.stop()
    daemon.environ["EDGE_ASSISTANT__MEMORY__EMBEDDER"] = OTHER
    daemon.start()
    daemon.wait_until(lambda: 0 < pending(daemon) < CHAPTERS, 30)
    words = daemon.cli("documents", "search", "--json", "Thursday plumber").stdout
    assert "mend the shower" in words.splitlines()[0]
    daemon.kill()
    left = pending_after_restart(daemon)
    assert left < CHAPTERS, "what was done before the cut is not done again"
    daemon.wait_until(lambda: embedded(daemon), 90)
    found = json.loads(
        daemon.cli("documents", "search", "--json", "repair of the bath").stdout.splitlines()[0]
    )
    assert "mend the shower" in found["text"]
    assert found["similarity"] > 0.3
    assert f"the vectors of {OTHER} are complete" in daemon.log


def pending_after_restart(daemon: Daemon) -> int:
    daemon.start()
    return pending(daemon)
