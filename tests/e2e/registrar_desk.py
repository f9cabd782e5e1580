"""The operator's machine: commands, a broker and the registrar in processes of their own."""

from __future__ import annotations

import getpass
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from edge_assistant.bench.device import to_toml
from tests.daemon import Daemon, run_cli
from tests.mosquitto import Mosquitto, free_port


class Operator:
    """One fleet, from its first command on."""

    def __init__(self, folder: Path) -> None:
        self.environ = {**os.environ, "STATE_DIRECTORY": str(folder)}
        self.port, self.mutual = free_port(), free_port()
        self.ca_file = folder / "registrar" / "ca.crt"
        made = self.cli(
            "init", "--host", "localhost", "--port", str(self.port), "--mutual-port", str(self.mutual),
            "--user", getpass.getuser(),
        )  # fmt: skip
        config = re.search(r"mosquitto -c (\S+)", made)
        assert config is not None
        self.mosquitto = Mosquitto.provisioned(Path(config[1]), self.port).start()
        self.process = subprocess.Popen(
            (sys.executable, "-m", "edge_assistant", "fleet", "registrar"),
            env=self.environ, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.log: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()
        Daemon.wait_until(lambda: self.ready and self.status()["connected"])

    @property
    def ready(self) -> bool:
        return any("ready: registrar" in line for line in self.log)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)

    def settings(self, serial: str, token: str) -> dict[str, str]:
        """The environment of a device that shall enrol, light enough: its model is elsewhere."""
        config = self.ca_file.parent / f"{serial}.toml"
        fleet = {
            "enabled": True, "url": f"mqtts://localhost:{self.port}", "ca_file": str(self.ca_file),
            "serial": serial,
        }  # fmt: skip
        llm = {"engine": "openai", "url": "http://127.0.0.1:9", "remote_model": "elsewhere"}
        config.write_text(to_toml({"fleet": fleet, "llm": llm}))
        return {"EDGE_ASSISTANT_CONFIG": str(config), "EDGE_ASSISTANT_SECRET_FLEET_CLAIM": token}

    def cli(self, *words: str) -> str:
        done = run_cli("fleet", *words, environ=self.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict:
        return json.loads(self.cli("status", "--json"))

    def device(self, name: str) -> dict:
        return next((each for each in self.status()["devices"] if each["name"] == name), {})

    def campaign(self, identifier: str) -> dict:
        campaigns = json.loads(self.cli("campaigns", "--json"))["campaigns"]
        return next(each for each in campaigns if each["id"] == identifier)

    def close(self) -> None:
        self.process.terminate()
        try:
            assert self.process.wait(30) == 0, "".join(self.log)
        finally:
            self.process.kill()
            self._reading.join()
            self.mosquitto.kill()
