"""`python -m orchestrator` is `crashmatrix`."""

import sys

from orchestrator.cli import main

sys.exit(main())
