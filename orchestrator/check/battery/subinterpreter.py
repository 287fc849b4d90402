import sys

pass  # import

NAMES = []
CODE = "".join(f"import {name}\n" for name in NAMES)

try:
    import _interpreters
except ImportError:
    import _xxsubinterpreters

    identity = _xxsubinterpreters.create(isolated=False)
    try:
        _xxsubinterpreters.run_string(identity, CODE)
        failed = ""
    except _xxsubinterpreters.RunFailedError as error:
        failed = str(error)
    _xxsubinterpreters.destroy(identity)
else:
    identity = _interpreters.create("legacy")
    error = _interpreters.exec(identity, CODE)
    failed = str(error.formatted) if error else ""
    _interpreters.destroy(identity)
if "ImportError" in failed:
    print("refused:", " ".join(failed.split()))
elif failed:
    sys.exit(failed)
