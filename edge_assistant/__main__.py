"""`python -m edge_assistant` is the command `edge-assistant`."""

import sys

from edge_assistant.cli import main

sys.exit(main())
