"""A server of one worker: `pool.py DRIVER PORT`. The master exits with 0 whatever becomes of the worker."""

import importlib.util
import os
import signal
import sys
from wsgiref.simple_server import make_server


def serve(driver: str, port: int) -> None:
    """Serve the driver's `application` until SIGTERM, then exit with 3."""
    spec = importlib.util.spec_from_file_location("driver", driver)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    make_server("127.0.0.1", port, module.application).serve_forever()


if __name__ == "__main__":
    worker = os.fork()
    if worker == 0:
        serve(sys.argv[1], int(sys.argv[2]))
    os.waitpid(worker, 0)
