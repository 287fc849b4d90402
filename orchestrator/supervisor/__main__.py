"""Start the supervisor: `python3 /opt/crashmatrix/supervisor`, a folder with this file in it."""

import os
import sys

from orchestrator.supervisor.run import main

if __name__ == "__main__":
    sys.exit(main(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
