"""A puller in a process of its own: `python -m tests.catalog.puller MODELS URL [FILE_SIZE_LIMIT]`."""

import resource
import sys
from pathlib import Path

from edge_assistant.catalog.hub import Hub
from edge_assistant.catalog.pull import Puller
from edge_assistant.cli.models import LineProgress
from edge_assistant.errors import EdgeError
from tests.catalog.conftest import hub_model

models, url, *limit = sys.argv[1:]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), resource.RLIM_INFINITY))
hub = Hub(schemes=frozenset({"http"}), pause=lambda _seconds: None)
try:
    Puller(Path(models), LineProgress(), hub).pull([hub_model(url)])
except EdgeError as error:
    sys.exit(str(error))
