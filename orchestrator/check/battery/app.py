"""The application that servers are given: the battery's served.py, filled with the names of the package."""

import start

text, facts = start.filled("served")
with open("served_run.py", "w", encoding="utf-8") as file:
    file.write(text)

from served_run import application
