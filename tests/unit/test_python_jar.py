"""The layout that a CPython of a Java archive is brought into."""

import runpy
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).parents[2] / "images" / "python" / "from_jar.py"
ROOT: Final = "org/bytedeco/cpython/linux-x86_64"
FILES: Final[Mapping[str, str]] = {
    "META-INF/MANIFEST.MF": "Manifest-Version: 1.0",
    f"{ROOT}/python3.12": "program",
    f"{ROOT}/bin/python3": "program",
    f"{ROOT}/bin/python3.12": "program",
    f"{ROOT}/libpython3.12.so.1.0": "libpython",
    f"{ROOT}/libffi.so": "libffi",
    f"{ROOT}/libffi.so.7": "libffi",
    f"{ROOT}/libjnipython.so": "jni",
    f"{ROOT}/include/python3.12/Python.h": "header",
    f"{ROOT}/lib/python3.12/os.py": "os",
    f"{ROOT}/lib/python3.12/test/test_os.py": "test",
    f"{ROOT}/lib/python3.12/lib-dynload/zlib.so": "zlib module",
    f"{ROOT}/share/man/man1/python3.1": "manual",
}


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    """Run the script on an archive of these files; returns the prefix."""
    archive, prefix, zlib = folder / "cpython.jar", folder / "prefix", folder / "libz.so.1.3"
    prefix.mkdir()
    zlib.write_text("libz")
    with zipfile.ZipFile(archive, "w") as jar:
        for name, text in files.items():
            jar.writestr(name, text)
    runpy.run_path(str(SCRIPT))["main"](str(archive), str(prefix), str(zlib))
    return prefix


def test_programs_and_libraries_lie_where_they_are_searched_for(tmp_path: Path) -> None:
    prefix = lay_out(tmp_path, FILES)
    found = {str(path.relative_to(prefix)): path.read_text() for path in prefix.rglob("*") if path.is_file()}
    assert found == {
        "bin/python3": "program",
        "bin/python3.12": "program",
        "include/python3.12/Python.h": "header",
        "lib/libpython3.12.so": "libpython",
        "lib/libpython3.12.so.1.0": "libpython",
        "lib/python3.12/os.py": "os",
        "lib/python3.12/lib-dynload/libffi.so.7": "libffi",
        "lib/python3.12/lib-dynload/libz.so.1": "libz",
        "lib/python3.12/lib-dynload/zlib.so": "zlib module",
    }
    assert (prefix / "bin" / "python3").readlink() == Path("python3.12")
    assert (prefix / "bin" / "python3").stat().st_mode & 0o111 == 0o111


def test_no_name_in_an_archive_leads_out_of_the_prefix(tmp_path: Path) -> None:
    lay_out(tmp_path, {**FILES, f"{ROOT}/../../../../outside": "harm"})
    assert not (tmp_path / "outside").exists()


def test_an_archive_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        lay_out(tmp_path, {name: text for name, text in FILES.items() if not name.endswith("/bin/python3")})
