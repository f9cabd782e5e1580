"""The library through the real daemon: add a PDF, ask, and read the answer with its page."""

from __future__ import annotations

import json

import pytest

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
