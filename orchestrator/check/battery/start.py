"""Starts a script of the battery in a container: fills it with the names of a package, and becomes it.

Runs under every Python of the matrix, before anything of the package is imported. Names come from the
distribution's own metadata, so an environment's own wheel decides them.
"""

import importlib.metadata
import json
import keyword
import os
import re
import runpy
import sys

DISTRIBUTION = "CHECK_DISTRIBUTION"
SCRIPT = "CHECK_SCRIPT"
"""A script that takes the place of the battery's own while one is reduced; `?` prints that one."""
SUFFIXES = (".py", ".so")
TESTS = ("test", "tests", "testing", "conftest", "setup", "__main__", "_tests", "benchmarks", "examples")
MOST_MODULES = 1500
FACTS = "crashmatrix-check: "
TEXT = "crashmatrix-script: "


def distribution(wanted):
    """The distribution of this name; `.` is the one that was built from the user's folder."""
    if wanted != ".":
        return importlib.metadata.distribution(wanted)
    built = (item for item in importlib.metadata.distributions() if item.read_text("direct_url.json"))
    return next(built)


def module_of(path):
    """The dotted name of a file that can be imported, and whether it is native; None for any other file."""
    parts = path.split("/")
    stem, _, rest = parts[-1].partition(".")
    if not path.endswith(SUFFIXES) or ".." in parts or (path.endswith(".py") and rest != "py"):
        return None
    names = parts[:-1] if stem == "__init__" else [*parts[:-1], stem]
    return (".".join(names), path.endswith(".so")) if importable(names) else None


def importable(names):
    """Whether an import statement can name a module by these parts; an archive may hold any other name."""
    return bool(names) and all(name.isidentifier() and not keyword.iskeyword(name) for name in names)


def describe(dist):
    """The names to import, all modules, and those of them that are native."""
    files = [str(item) for item in dist.files or ()]
    found = {}
    for name, native in filter(None, map(module_of, files)):
        found[name] = found.get(name, False) or native  # a source may lie beside what was made of it
    folders = [name.split("/")[:-1] for name in files if name.endswith("/__init__.py")]
    packages = {".".join(parts) for parts in folders if importable(parts)}
    stated = (dist.read_text("top_level.txt") or "").split()
    tops = [name for name in stated if name in found or name in packages]
    if not tops:
        tops = outermost(found, packages)
    public = [name for name in tops if not any(part.startswith("_") for part in name.split("."))]
    names = [name for name in public or tops if not set(name.split(".")) & set(TESTS)] or public or tops
    own = re.sub(r"[-_.]+", "_", dist.metadata["Name"]).lower()
    # The module of the distribution's own name is its purpose; others beside it may need optional
    # dependencies.
    names = [name for name in names if name.lower() == own] or names
    modules = [name for name in found if not set(name.split(".")) & set(TESTS)]
    return {
        "names": sorted(names),
        "modules": sorted(modules)[:MOST_MODULES],
        "extensions": sorted(name for name in modules if found[name]),
    }


def outermost(found, packages):
    """The modules and packages that lie in no other package: of a namespace those inside it."""
    known = set(found) | packages

    def inside(name):
        parts = name.split(".")
        return any(".".join(parts[:length]) in packages for length in range(1, len(parts)))

    return [name for name in known if not inside(name)]


def fill(text, facts, folder):
    """A script's text with the names of a package in it."""

    def include(match):
        with open(os.path.join(folder, match[1] + ".py"), encoding="utf-8") as file:
            return file.read().rstrip()

    text = re.sub(r"^# include (\w+)$", include, text, flags=re.MULTILINE)
    lines = "\n".join("\\1import " + name for name in facts["names"])
    text = re.sub(r"^( *)pass  # import$", lines, text, flags=re.MULTILINE)
    for name in ("names", "modules", "extensions"):
        text = re.sub(
            rf"^{name.upper()} = \[\]$", f"{name.upper()} = {facts[name]!r}", text, flags=re.MULTILINE
        )
    return text


def filled(script):
    """The text of a script for the package that is checked, and what is known of it."""
    given = os.environ.pop(SCRIPT, "")
    if given and given != "?":
        return given, {"names": ["?"]}
    folder = os.path.dirname(os.path.abspath(__file__))
    facts = describe(distribution(os.environ[DISTRIBUTION]))
    shown = {
        "names": facts["names"],
        "modules": len(facts["modules"]),
        "extensions": len(facts["extensions"]),
    }
    print(FACTS + json.dumps(shown), flush=True)
    with open(os.path.join(folder, script + ".py"), encoding="utf-8") as file:
        text = fill(file.read(), facts, folder)
    if given:
        print(TEXT + json.dumps(text), flush=True)
        raise ImportError("only the script is wanted")
    return text, facts


def main():
    """Write the script of the hazard that the environment names, and become it."""
    with open("hazards.json", encoding="utf-8") as file:
        hazard = json.load(file)[os.environ["CRASHMATRIX_HAZARD"]]
    text, facts = filled(hazard["script"])
    if not facts["names"]:
        print("refused: the distribution has no import names")
        return
    name = hazard["script"] + ".run.py"
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    if hazard["inside"]:
        # valgrind watches this process, and not the program that takes its place.
        runpy.run_path(name, run_name="__main__")
        return
    os.execve(sys.executable, [sys.executable, *hazard["options"], name], {**os.environ, **hazard["env"]})


if __name__ == "__main__":
    main()
