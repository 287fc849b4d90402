"""Which tests run in one process, one after the other, where pytest distributes them over several."""

from xdist.scheduler import LoadScopeScheduling

ENGINE = ("tests/integration/", "tests/browser/test_real_run.py")
BROWSER = "tests/browser/"


class ByEngine(LoadScopeScheduling):  # type: ignore[misc] # xdist says nothing of its types
    """Three kinds of scope, the largest first.

    All tests of the engine are one: they share it and the images of one smoke run, and some of them count
    its containers and images, or set the host up. The browser's are another, since they share a Chromium.
    Unit tests share nothing but what their file does.

    xdist's own marker for groups has no effect under pytest 9.2, which keeps the names of tests elsewhere.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ENGINE):
            return "engine"
        return "browser" if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]
