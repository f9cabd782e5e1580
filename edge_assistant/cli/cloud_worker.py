"""`cloud-worker`: answers the questions of devices with the model of an OpenAI-compatible server."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import signal

from edge_assistant.config import secret
from edge_assistant.errors import UsageError
from edge_assistant.ops.logs import set_up_logging

logger = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; secrets are `cloud_worker_password` and `cloud_upstream_key`."""
    parser.add_argument("--broker", required=True, metavar="URL", help="such as mqtts://broker.example:8883")
    parser.add_argument("--username", default="", help="name at the broker")
    parser.add_argument("--ca-file", default="", metavar="FILE", help="authority of the broker's certificate")
    parser.add_argument("--certificate-file", default="", metavar="FILE", help="own certificate")
    parser.add_argument("--key-file", default="", metavar="FILE", help="its key")
    parser.add_argument("--upstream", required=True, metavar="URL", help="the server with OpenAI's API")
    parser.add_argument("--model", required=True, help="name of the model there")
    parser.add_argument("--vllm", action="store_true", help="the server is vLLM: it can go on with an answer")
    parser.add_argument("--parallel", type=_count, default=16, metavar="N", help="answers at a time")
    parser.add_argument("--queue", type=_count, default=32, metavar="N", help="questions that may wait")
    parser.add_argument(
        "--lease", type=_seconds, default=4.0, metavar="S", help="silence after which a device asks another"
    )
    parser.add_argument("--health", default="", metavar="HOST:PORT", help="serve /healthz and /metrics there")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    set_up_logging(debug=args.debug)
    asyncio.run(_serve(args))
    return 0


async def _serve(args: argparse.Namespace) -> None:
    from edge_assistant.cloud.health import serving_health
    from edge_assistant.cloud.worker import CloudWorker
    from edge_assistant.llm.openai_remote import RemoteModel
    from edge_assistant.mqtt.broker import parse_broker
    from edge_assistant.mqtt.connection import Connection

    broker = parse_broker(
        args.broker, username=args.username, password=secret("cloud_worker_password"), ca_file=args.ca_file,
        certificate_file=args.certificate_file, key_file=args.key_file,
    )  # fmt: skip
    key = secret("cloud_upstream_key") or ""
    model = RemoteModel(args.model, url=args.upstream, model=args.model, api_key=key, prefill=args.vllm)
    name = f"w-{secrets.token_hex(8)}"
    connection = Connection(broker, f"edge-assistant-cloud-{name}")
    worker = CloudWorker(
        connection, model, name=name, parallel=args.parallel, queue=args.queue, lease_seconds=args.lease
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await model.start()
    connecting = asyncio.create_task(connection.run(), name="cloud connection")
    try:
        async with serving_health(worker, args.health):
            logger.info("cloud worker %s takes questions from %s", name, broker.address)
            await stop.wait()
            await worker.stop()
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await model.stop()


def _seconds(text: str) -> float:
    seconds = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
    if not 0.5 <= seconds <= 600:  # noqa: PLR2004 - less is noise, more is no lease
        raise UsageError("USAGE", "expected 0.5 to 600 seconds")
    return seconds


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= 10_000:  # noqa: PLR2004 - more is a mistake
        raise UsageError("USAGE", "expected a number from 1 to 10000")
    return number
