"""Which tests run in one process, one after the other, where pytest distributes them over several."""

from xdist.scheduler import LoadScopeScheduling

ENGINE = ("tests/integration/", "tests/browser/test_real_run.py")
CORES = tuple(
    f"tests/integration/test_{name}.py" for name in ("agreement", "cores", "faults", "same_crash", "waits")
)
BROWSER = "tests/browser/"


class ByEngine(LoadScopeScheduling):  # type: ignore[misc] # xdist says nothing of its types
    """Four kinds of scope, the largest first.

    All tests of the engine are one: they share it and the images of one smoke run, and some of them count
    its containers and images, or set the host up. Those that only read cores of the programs of one image are
    another, so that two processes have work to the end, and the browser's a third, since they share a
    Chromium. Unit tests share nothing but what their file does.

    xdist's own marker for groups has no effect under pytest 9.2, which keeps the names of tests elsewhere.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(CORES):
            return "cores"
        if nodeid.startswith(ENGINE):
            return "engine"
        return "browser" if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]
