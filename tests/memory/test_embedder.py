"""The embed worker as people's requests meet it: real process, real model."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from edge_assistant.errors import EdgeError
from edge_assistant.memory.embedder import FastembedEmbedder, embedder_settings
from edge_assistant.memory.embedding import MAX_TEXT_CHARACTERS, UNRELATED, likeness, unpack_vector
from tests.memory.conftest import EMBEDDER

pytestmark = pytest.mark.asyncio(loop_scope="module")


def dot(a: bytes, b: bytes) -> float:
    return sum(x * y for x, y in zip(unpack_vector(a), unpack_vector(b), strict=True))


async def test_alike_sentences_have_alike_vectors_of_length_one(embedder: FastembedEmbedder) -> None:
    texts = ["My sister is called Ada.", "What is my sister's name?", "The boiler needs 1.5 bar."]
    sister, question, boiler = (await embedder.embed(texts)).vectors
    assert abs(dot(sister, sister) - 1) < 1e-4
    assert dot(sister, question) > 0.5 > dot(sister, boiler)
    assert len(sister) == embedder.dimensions * 4


async def test_vectors_come_in_the_order_of_their_texts(embedder: FastembedEmbedder) -> None:
    texts = [f"{'word ' * (n * 7 % 23)}{n}" for n in range(20)]
    together = await embedder.embed(texts)
    alone = [await embedder.embed_query(text) for text in texts]
    assert all(dot(a, b) > 0.99 for a, b in zip(together.vectors, alone, strict=True))
    assert together.tokens > 20


async def test_a_question_does_not_wait_for_a_long_background_job(embedder: FastembedEmbedder) -> None:
    job = asyncio.create_task(embedder.embed(["some long text " * 60] * 200, background=True))
    await asyncio.sleep(0)
    await embedder.embed_query("quick")
    assert not job.done()
    assert len((await job).vectors) == 200


async def test_how_alike_texts_of_no_kin_seem_is_measured_and_taken_out(models_folder: Path) -> None:
    settings = embedder_settings(EMBEDDER, models_folder)
    measured = FastembedEmbedder(msgspec.structs.replace(settings, unrelated=None))
    generous = FastembedEmbedder(msgspec.structs.replace(settings, pooling="cls", unrelated=None))
    texts = ["The boiler needs 1.5 bar.", "My sister is called Ada.", "What is my sister's name?"]
    try:
        likenesses = []
        for each in (measured, generous):
            boiler, sister, question = (await each.embed(texts)).vectors
            likenesses.append([likeness(dot(one, question), each.unrelated) for one in (boiler, sister)])
    finally:
        await measured.stop()
        await generous.stop()
    assert measured.unrelated == pytest.approx(UNRELATED, abs=0.02)
    assert generous.unrelated > 0.3
    assert all(far < 0.3 and near > 0.5 for far, near in likenesses), likenesses


async def test_nothing_and_empty_texts_are_fine(embedder: FastembedEmbedder) -> None:
    assert (await embedder.embed([])).vectors == ()
    assert len((await embedder.embed(["", "\0"])).vectors) == 2


async def test_too_much_is_refused(embedder: FastembedEmbedder) -> None:
    for texts in (["x"] * 2049, ["x" * (MAX_TEXT_CHARACTERS + 1)]):
        with pytest.raises(EdgeError) as caught:
            await embedder.embed(texts)
        assert caught.value.code == "EMBEDDER_INPUT"


async def test_a_killed_worker_is_replaced_and_the_request_answered(embedder: FastembedEmbedder) -> None:
    job = asyncio.create_task(embedder.embed(["some long text " * 60] * 100))
    while embedder.worker_state.pid is None or embedder.worker_state.phase != "ready":
        await asyncio.sleep(0.05)
    os.kill(embedder.worker_state.pid, signal.SIGKILL)
    assert len((await job).vectors) == 100


async def test_an_idle_worker_ends_and_comes_back_when_asked(models_folder: Path) -> None:
    embedder = FastembedEmbedder(embedder_settings(EMBEDDER, models_folder), idle_seconds=0.05)
    assert embedder.worker_state.phase == "stopped"
    try:
        await embedder.embed_query("first")
        while embedder.worker_state.phase != "stopped":
            await asyncio.sleep(0.02)
        assert len(await embedder.embed_query("second")) == 384 * 4
    finally:
        await embedder.stop()
    with pytest.raises(EdgeError, match="EMBEDDER_STOPPED"):
        await embedder.embed_query("third")


async def test_a_damaged_model_is_an_error_each_time_and_never_a_hang(
    models_folder: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no model")
    settings = msgspec.structs.replace(embedder_settings(EMBEDDER, models_folder), model_file=str(broken))
    embedder = FastembedEmbedder(settings)
    for _ in range(2):
        with pytest.raises(EdgeError, match="EMBEDDER_FAILED"):
            await embedder.embed_query("anything")
    await embedder.stop()
