"""A plugin of pytest: the package's own tests start in their own folder, as in their source tree."""

import os

os.chdir(os.environ["CHECK_SUITE"])
