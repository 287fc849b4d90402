"""A cell's chain of images: what decides a key, what is shared, what is refused."""

import re
import shlex
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from orchestrator import images
from orchestrator.errors import InputError
from orchestrator.images import recipe
from orchestrator.images.templates import fill
from orchestrator.model import (
    Arch,
    Catalogue,
    Cell,
    CodeFile,
    ImageKind,
    ImageSpec,
    ProbeKind,
    ProbeSource,
    Scenario,
    UserCode,
)
from orchestrator.supervisor.targets import COMMAND, SCRIPT

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's own templates, catalogue and story 1, to change at will."""
    copytree(ROOT / "images", tmp_path / "images")
    copytree(ROOT / "scenarios" / "tls-atexit", tmp_path / "scenarios" / "tls-atexit")
    return tmp_path


def catalogue_of(project: Path) -> Catalogue:
    return images.load_catalogue(project / "images" / "catalogue.yaml")


def scenario_of(project: Path) -> Scenario:
    return Scenario(
        name="tls-atexit", title="", story="", folder=str(project / "scenarios" / "tls-atexit"),
        driver="driver.py", timeout=20, trials=1,
        probes=(
            ProbeSource(language=ProbeKind.CPP, source="cpp/tlsprobe.cpp", name="tlsprobe"),
            ProbeSource(language=ProbeKind.RUST, source="rust/tlsprobe.rs", name="tlsprobe"),
        ),
    )  # fmt: skip


def cell(**axes: str) -> Cell:
    usual = {"scenario": "tls-atexit", "python": "3.11", "glibc": "2.36", "arch": "x86_64",
             "launcher": "uwsgi", "probe": "cpp"}  # fmt: skip
    return Cell.from_axes(usual | axes)


def chain(project: Path, host: Arch = Arch.X86_64, **axes: str) -> dict[str, ImageSpec]:
    """The chain of a cell, by role, on a host of an architecture."""
    recipes = images.Recipes(catalogue_of(project), project, host)
    recipes.image_of(cell(**axes).axes, scenario_of(project))
    return {spec.role: spec for spec in recipes.specs}


def test_a_chain_names_every_image_once_and_parents_first(project: Path) -> None:
    recipes = images.Recipes(catalogue_of(project), project, Arch.X86_64)
    image = recipes.image_of(cell().axes, scenario_of(project))
    specs = recipes.specs
    assert [spec.role for spec in specs] == [
        "base-trixie", "builder", "probe-tls-atexit-cpp", "base-bookworm", "uwsgi-bookworm",
        "cell-tls-atexit-bookworm-uwsgi-cpp",
    ]  # fmt: skip
    assert specs[-1] == image
    done: set[str] = set()
    for spec in specs:
        assert done.issuperset(spec.parents)
        done.add(spec.key)


def test_the_twelve_smoke_cells_share_bases_builder_probes_and_servers(project: Path) -> None:
    catalogue, scenario = catalogue_of(project), scenario_of(project)
    cells = [
        cell(python=base.pythons[0].version, glibc=base.glibc, launcher=launcher, probe=probe)
        for base in catalogue.bases
        if base.glibc in {"2.31", "2.36", "2.41"}
        for launcher in ("plain", "uwsgi")
        for probe in ("cpp", "rust")
    ]
    recipes = images.Recipes(catalogue, project, Arch.X86_64)
    for one in cells:
        recipes.image_of(one.axes, scenario)
    roles = [spec.role.split("-")[0] for spec in recipes.specs]
    counts = {role: roles.count(role) for role in roles}
    assert counts == {"base": 3, "builder": 1, "probe": 2, "uwsgi": 3, "cell": 12}


def test_portable_things_are_made_once_for_all_bases(project: Path) -> None:
    recipes = images.Recipes(catalogue_of(project), project, Arch.X86_64)
    for python in ("3.9.2", "3.13", "3.13.15"):
        for glibc in ("2.17", "2.31", "2.36", "2.43"):
            recipes.image_of(cell(python=python, glibc=glibc).axes, scenario_of(project))
    roles = [spec.role for spec in recipes.specs]
    for once in ("toolchain-x86-64", "python-3-13-5", "uwsgi-py3-13-5", "python-3-13-15", "uwsgi-py3-9-2"):
        assert roles.count(once) == 1
    assert sum(role.startswith("python-") for role in roles) == 3
    assert sum(role.startswith("uwsgi-") for role in roles) == 3
    assert sum(role.startswith("environment-") for role in roles) == 3 * 4
    assert sum(role.startswith("probe-") for role in roles) == 1


def test_only_a_suite_that_still_moves_may_be_expired(project: Path) -> None:
    moving, fixed = chain(project, python="3.14", glibc="2.43")["base-forky"], chain(project)["base-bookworm"]
    assert 'Check-Valid-Until "false"' in moving.text
    assert "Valid-Until" not in fixed.text


def test_a_base_of_several_interpreters_gives_each_its_own_server_and_program(project: Path) -> None:
    usual, newer = chain(project, python="3.14", glibc="2.43"), chain(project, python="3.15", glibc="2.43")
    assert "ln -s" not in usual["cell-tls-atexit-forky-py3-14-uwsgi-cpp"].text
    assert "ln -s /usr/bin/python3.15 " in newer["cell-tls-atexit-forky-py3-15-uwsgi-cpp"].text
    assert " python3.15 uwsgiconfig.py" in newer["uwsgi-forky-py3-15"].text
    assert "libpython3.15-dev" in newer["uwsgi-forky-py3-15"].text
    assert usual["base-forky"].key == newer["base-forky"].key


def test_an_archive_is_unpacked_once_and_checked_in_each_base(project: Path) -> None:
    catalogue = project / "images" / "catalogue.yaml"
    text = catalogue.read_text().replace(
        'kind: portable, version: "3.9.2"', 'kind: archive, version: "3.9.2"'
    )
    catalogue.write_text(text)
    specs = chain(project, python="3.9.2", launcher="plain")
    assert "tar -xf /src/Python-3.9.2.tar.xz" in specs["python-3-9-2-archive"].text
    assert "check.py 3.9.2" in specs["environment-bookworm-py3-9-2"].text
    assert "(archive)" in specs["environment-bookworm-py3-9-2"].text


def test_a_java_archive_is_laid_out_as_an_installed_cpython(project: Path) -> None:
    specs = chain(project, python="3.12", glibc="2.31", launcher="plain")
    unpack = specs["python-3-12-1-archive"]
    assert "from_jar.py /src/cpython-3.12.1-1.5.10-linux-x86_64.jar /opt/crashmatrix/python" in unpack.text
    assert "tar -xf" not in unpack.text
    assert {file.name for file in unpack.files} == {
        "src/cpython-3.12.1-1.5.10-linux-x86_64.jar", "src/from_jar.py", "src/check.py",
    }  # fmt: skip
    assert "check.py 3.12.1" in specs["environment-bullseye-py3-12-1"].text


def test_what_is_linked_with_an_archives_libpython_takes_its_symbol_versions_on_trust(project: Path) -> None:
    """An archive may need a newer glibc than the cross gcc's; the portable interpreters never do."""
    flag = "--allow-shlib-undefined"
    assert flag in chain(project, python="3.12")["uwsgi-py3-12-1"].text
    assert flag not in chain(project, python="3.13.5")["uwsgi-py3-13-5"].text
    scenario = with_probe(project, "c-embed")
    assert flag in probe_of(project, scenario, python="3.12")["probe-tls-atexit-c-embed-py3-12-1"].text
    assert flag not in probe_of(project, scenario, python="3.13.5")["probe-tls-atexit-c-embed-py3-13-5"].text


def test_an_archive_of_another_architecture_is_asked_by_a_newer_c_library(project: Path) -> None:
    """qemu-user runs portable interpreters by the toolchain's own C library, which is too old for it."""
    recipes = images.Recipes(catalogue_of(project), project, Arch.X86_64)
    recipes.image_of(cell(python="3.12", arch="arm64").axes, scenario_of(project))
    (server,) = (spec for spec in recipes.specs if spec.role == "uwsgi-py3-12-1")
    parents = [spec for spec in recipes.specs if spec.key in server.parents]
    assert any(spec.role == "base-trixie" and spec.arch is Arch.ARM64 for spec in parents)
    assert "QEMU_LD_PREFIX=/opt/libraries" in server.text
    assert "QEMU_LD_PREFIX" not in chain(project, python="3.13.5", arch="arm64")["uwsgi-py3-13-5"].text


def test_the_oldest_glibc_comes_from_the_toolchain_and_is_checked(project: Path) -> None:
    specs = chain(project, glibc="2.17")
    base = specs["base-sysroot-2-17"]
    assert base.parents == (specs["toolchain-x86-64"].key,)
    assert 'test "$(getconf GNU_LIBC_VERSION)" = "glibc 2.17"' in base.text
    assert {"sysroot/etc/passwd", "sysroot/etc/hosts"} <= {item.name for item in base.files}


def test_glibc_2_17_for_arm64_is_made_by_a_toolchain_that_behaves_as_an_arm64_machine(project: Path) -> None:
    specs = chain(project, python="3.13", glibc="2.17", arch="arm64")
    compiler, base = specs["toolchain-arm64"], specs["base-sysroot-2-17"]
    assert compiler.arch is Arch.X86_64
    assert "ENV QEMU_LD_PREFIX=/opt/gcc/aarch64-unknown-linux-gnu/sysroot" in compiler.text
    assert "busybox-static:arm64" in compiler.text
    # The classic builder records what begins at scratch as the engine's own architecture.
    assert f"\nFROM --platform=linux/arm64 {specs['empty'].tag}\n" in base.text
    assert (base.arch, specs["empty"].arch, specs["empty"].kind) == (Arch.ARM64, Arch.ARM64, ImageKind.EMPTY)
    assert set(base.parents) == {compiler.key, specs["empty"].key}
    for made in ("python-3-13-5", "uwsgi-py3-13-5"):
        assert compiler.key in specs[made].parents
    native = chain(project, glibc="2.17")
    assert "empty" not in native
    assert "\nFROM scratch\n" in native["base-sysroot-2-17"].text
    assert "qemu" not in native["toolchain-x86-64"].text.lower()


def test_a_base_without_security_updates_has_its_server_compiled_without_them(project: Path) -> None:
    without = chain(project, python="3.9", glibc="2.31", arch="arm64")["uwsgi-bullseye"].text
    assert " download -t bullseye libpython3.9-dev:arm64 " in without
    assert " download libpython3.11-dev:arm64 " in chain(project, arch="arm64")["uwsgi-bookworm"].text


def test_a_plain_cell_has_no_server(project: Path) -> None:
    specs = chain(project, launcher="plain")
    assert not any(role.startswith("uwsgi") for role in specs)
    assert "uwsgi" not in specs["cell-tls-atexit-bookworm-plain-cpp"].text


def test_a_probe_for_arm64_is_compiled_on_the_hosts_own_architecture(project: Path) -> None:
    specs = chain(project, arch="arm64", launcher="plain", probe="rust")
    here = {role for role, spec in specs.items() if spec.arch is Arch.X86_64}
    assert here == {"base-trixie", "builder", "builder-for-arm64"}
    probe, built = specs["probe-tls-atexit-rust"].text, specs["cell-tls-atexit-bookworm-plain-rust"].text
    assert "--target aarch64-unknown-linux-gnu" in probe
    assert "\nFROM crashmatrix/builder-for-arm64:" in probe
    assert "\nFROM --platform=linux/arm64 crashmatrix/base-bookworm:" in built


def test_on_an_arm64_host_arm64_is_native(project: Path) -> None:
    specs = chain(project, host=Arch.ARM64, arch="arm64", launcher="plain", probe="rust")
    assert {spec.arch for spec in specs.values()} == {Arch.ARM64}
    assert not any("--target" in spec.text or "--platform" in spec.text for spec in specs.values())


def test_keys_are_the_same_wherever_the_project_lies(project: Path) -> None:
    here, there = chain(ROOT), chain(project)
    assert {role: spec.key for role, spec in here.items()} == {role: spec.key for role, spec in there.items()}


def test_a_changed_probe_changes_its_image_and_the_cell_only(project: Path) -> None:
    before = chain(project)
    source = project / "scenarios" / "tls-atexit" / "cpp" / "tlsprobe.cpp"
    source.write_text(source.read_text() + "// changed\n")
    after = chain(project)
    changed = {role for role in before if before[role].key != after[role].key}
    assert changed == {"probe-tls-atexit-cpp", "cell-tls-atexit-bookworm-uwsgi-cpp"}


def test_a_header_beside_the_source_is_part_of_the_probe(project: Path) -> None:
    before = chain(project)["probe-tls-atexit-cpp"]
    (project / "scenarios" / "tls-atexit" / "cpp" / "session.h").write_text("// new\n")
    after = chain(project)["probe-tls-atexit-cpp"]
    assert after.key != before.key
    assert "src/cpp/session.h" in {item.name for item in after.files}


def test_a_parents_change_reaches_its_children_through_the_tag(project: Path) -> None:
    before = chain(project)
    catalogue = project / "images" / "catalogue.yaml"
    catalogue.write_text(catalogue.read_text().replace("libpython3.11, usr", "libpython3.11, strace, usr"))
    after = chain(project)
    changed = {role for role in before if before[role].key != after[role].key}
    assert changed == {"base-bookworm", "uwsgi-bookworm", "cell-tls-atexit-bookworm-uwsgi-cpp"}
    assert after["base-bookworm"].tag in after["uwsgi-bookworm"].text


def test_every_parent_stands_in_the_text(project: Path) -> None:
    specs = chain(project)
    tags = {spec.key: spec.tag for spec in specs.values()}
    for spec in specs.values():
        used = re.findall(r"(?:FROM |--from=)(crashmatrix/\S+)", spec.text)
        assert {tags[key] for key in spec.parents} == set(used)


def test_a_base_is_one_command_line(project: Path) -> None:
    base = chain(project)["base-bookworm"]
    args = shlex.split(base.text)
    assert base.kind is ImageKind.ROOTFS
    assert (args[0], args[-1]) == ("mmdebstrap", "bookworm")
    assert "--architectures=amd64" in args
    assert "--include=python3,libpython3.11,usr-is-merged" in args
    assert len(args) == len(base.text.splitlines())


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"glibc": "2.99"}, "glibc 2.99 and Python 3.11"),
        ({"python": "3.15"}, "glibc 2.36 and Python 3.15"),
        ({"launcher": "hypercorn"}, "no launcher is called 'hypercorn'"),
        ({"probe": "zig"}, "no zig probe"),
    ],
)
def test_a_cell_that_cannot_be_made_is_refused(project: Path, axes: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        chain(project, Arch.X86_64, **axes)


def test_an_architecture_without_a_base_is_refused(project: Path) -> None:
    catalogue = project / "images" / "catalogue.yaml"
    catalogue.write_text(catalogue.read_text().replace("arches: [x86_64, arm64]", "arches: [x86_64]"))
    with pytest.raises(InputError, match="for arm64"):
        chain(project, arch="arm64")


def test_a_missing_file_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "images" / "python" / "build.sh").unlink()
    monkeypatch.setattr(recipe, "shipped", lambda: project / "none")
    with pytest.raises(InputError, match=r"'none/python/build\.sh' cannot be read: No such file"):
        chain(project, python="3.9.2")


def test_what_a_project_does_not_bring_travels_with_the_program(project: Path) -> None:
    own = {role: spec.key for role, spec in chain(project, python="3.9.2").items()}
    catalogue, scenario = catalogue_of(project), scenario_of(project)
    rmtree(project / "images")
    recipes = images.Recipes(catalogue, project, Arch.X86_64)
    recipes.image_of(cell(python="3.9.2").axes, scenario)
    assert {spec.role: spec.key for spec in recipes.specs} == own


def test_a_projects_own_template_and_script_come_first(project: Path) -> None:
    before = {role: spec.key for role, spec in chain(project, python="3.9.2").items()}
    (project / "images" / "python" / "build.sh").write_text("exit 1\n")
    template = project / "images" / "Dockerfile.cell.j2"
    template.write_text(template.read_text() + "LABEL own=1\n")
    after = {role: spec.key for role, spec in chain(project, python="3.9.2").items()}
    changed = {role for role, key in after.items() if before[role] != key}
    assert "python-3-9-2" in changed
    assert "base-bookworm" not in changed
    assert any(role.startswith("cell-") for role in changed)


@pytest.mark.parametrize(
    "value",
    [
        "a\nRUN rm -rf /",
        'a"b',
        "a'b",
        "$(id)",
        "a`id`",
        "a\\",
        "a;b",
        "a|b",
        "a&b",
        "",
        "-o",
        "é",
        "a#b",
        "{x}",
    ],
)
def test_a_value_that_could_do_harm_never_reaches_a_dockerfile(tmp_path: Path, value: str) -> None:
    (tmp_path / "D.j2").write_text("FROM {{ base }}\n")
    with pytest.raises(InputError, match="must not stand in a Dockerfile"):
        fill((tmp_path,), "D.j2", {"base": value})


def test_a_template_that_names_an_unknown_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "D.j2").write_text("FROM {{ bsae }}\n")
    with pytest.raises(InputError, match="'bsae' is undefined"):
        fill((tmp_path,), "D.j2", {"base": "x"})


def test_a_broken_template_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "D.j2").write_text("FROM x\n{% if %}\n")
    with pytest.raises(InputError, match=r"D\.j2:2: not a template"):
        fill((tmp_path,), "D.j2", {})


def test_rendering_leaves_the_recipe_and_what_went_in(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHMATRIX_CACHE", str(tmp_path / "cache"))
    specs = chain(project)
    place = images.render(specs["uwsgi-bookworm"], tmp_path / "out")
    assert place.name == specs["uwsgi-bookworm"].folder
    assert (place / "Dockerfile").read_text() == specs["uwsgi-bookworm"].text
    assert (place / "context.sha256").read_text().splitlines()[0].endswith("  uwsgi-2.0.31.tar.gz")
    before = (place / "Dockerfile").stat()
    (place / "context.sha256").write_text("changed by hand")
    images.render(specs["uwsgi-bookworm"], tmp_path / "out")
    assert (place / "Dockerfile").stat() == before  # what is there and right is left alone
    assert "uwsgi-2.0.31.tar.gz" in (place / "context.sha256").read_text()
    script = (images.render(specs["base-bookworm"], tmp_path / "out") / "mmdebstrap.sh").read_text()
    command = script.split("\n", 2)[2].replace("\\\n", " ")
    assert shlex.split(command) == [*shlex.split(specs["base-bookworm"].text), "rootfs.tar"]


def with_probe(project: Path, language: str, **more: str) -> Scenario:
    """Story 1 with one more probe of a language."""
    fields = {"language": language, "source": "cpp/tlsprobe.cpp", "name": "probe", **more}
    probe = ProbeSource.model_validate(fields)
    return scenario_of(project).model_copy(update={"probes": (probe,)})


def probe_of(project: Path, scenario: Scenario, **axes: str) -> dict[str, ImageSpec]:
    """All images of a cell of a scenario, by role."""
    recipes = images.Recipes(catalogue_of(project), project, Arch.X86_64)
    language = str(scenario.probes[0].language)
    recipes.image_of(cell(launcher="plain", probe=language, **axes).axes, scenario)
    return {spec.role: spec for spec in recipes.specs}


@pytest.mark.parametrize("language", ["cpp", "rust", "c"])
def test_the_cross_gcc_stands_beside_zig_and_compiles_or_links(project: Path, language: str) -> None:
    specs = probe_of(project, with_probe(project, language, toolchain="gcc-2.17"))
    probe = specs[f"probe-tls-atexit-{language}"].text
    assert specs["builder-gcc"].parents == (specs["builder"].key, specs["toolchain-x86-64"].key)
    assert "/opt/gcc/bin/x86_64-unknown-linux-gnu-g" in probe
    assert "/opt/zig" not in probe
    assert "zig-linker" not in probe


@pytest.mark.parametrize("language", ["c", "c-embed"])
def test_asan_is_compiled_in_by_the_base_and_changes_nothing_else(project: Path, language: str) -> None:
    scenario = with_probe(project, language)
    plain, watched = (probe_of(project, scenario, instrument=name) for name in ("none", "asan"))
    probe = watched[f"probe-tls-atexit-{language}-bookworm-asan"]
    assert " gcc -std=gnu11 " in probe.text
    assert " -fsanitize=address -static-libasan -no-pie " in probe.text
    assert probe.parents == (watched["base-bookworm"].key,)
    others = {role: spec.key for role, spec in watched.items() if role.split("-")[0] not in ("probe", "cell")}
    assert others == {role: plain[role].key for role in others}
    assert not any("sanitize=address" in spec.text for spec in plain.values())


def test_a_native_probe_is_made_on_each_base_by_its_own_compiler(project: Path) -> None:
    scenario = with_probe(project, "cpp", toolchain="native")
    specs = probe_of(project, scenario, python="3.9.2", glibc="2.31")
    probe = specs["probe-tls-atexit-cpp-bullseye"]
    assert probe.parents == (specs["base-bullseye"].key,)
    assert "libpython3-dev python3-distutils g++" in probe.text
    assert " && g++ -std=c++17 " in probe.text
    assert "builder" not in specs


def test_what_embeds_python_is_linked_with_the_libpython_of_its_cell(project: Path) -> None:
    scenario = with_probe(project, "c-embed")
    own = probe_of(project, scenario, python="3.15", glibc="2.43")["probe-tls-atexit-c-embed-forky-py3-15"]
    assert "-I" not in own.text
    assert "-isystem /usr/include/python3.15 " in own.text
    assert "-lpython3.15" in own.text
    copied = probe_of(project, scenario, python="3.13.15")["probe-tls-atexit-c-embed-py3-13-15"]
    assert "-Wl,-rpath,/opt/crashmatrix/python/lib -lpython3.13" in copied.text
    assert "/opt/gcc/bin/x86_64-unknown-linux-gnu-gcc" in copied.text
    assert "apt-get" not in copied.text


@pytest.mark.parametrize(
    ("toolchain", "below", "linker"),
    [
        ("zig", "builder", "/usr/local/bin/zig-linker"),
        ("gcc-2.17", "builder-gcc", "/opt/gcc/bin/x86_64-unknown-linux-gnu-gcc"),
    ],
)
def test_a_crate_is_built_by_cargo_beside_the_usual_compilers(
    project: Path, toolchain: str, below: str, linker: str
) -> None:
    scenario = with_probe(project, "pyo3", source="pyo3/Cargo.toml", toolchain=toolchain)
    left = project / "scenarios" / "tls-atexit" / "pyo3" / "target" / "release" / "left.so"
    left.parent.mkdir(parents=True)
    left.touch()
    specs = probe_of(project, scenario)
    probe = specs["probe-tls-atexit-pyo3"]
    cargo = specs[below.replace("builder", "builder-cargo")]
    assert (probe.parents, cargo.parents) == ((cargo.key,), (specs[below].key,))
    assert f"-C linker={linker} " in probe.text
    assert "cargo fetch --locked" in probe.text
    assert "cargo build --frozen" in probe.text
    names = [item.name for item in probe.files]
    assert names == ["src/pyo3/Cargo.lock", "src/pyo3/Cargo.toml", "src/pyo3/tlsprobe.rs"]


def test_a_crate_for_another_architecture_is_built_on_the_hosts_own(project: Path) -> None:
    scenario = with_probe(project, "pyo3", source="pyo3/Cargo.toml")
    specs = probe_of(project, scenario, python="3.13", glibc="2.41", arch="arm64")
    probe = specs["probe-tls-atexit-pyo3"]
    assert specs["builder-cargo-for-arm64"].parents == (specs["builder-for-arm64"].key,)
    assert "CARGO_BUILD_TARGET=aarch64-unknown-linux-gnu " in probe.text
    assert "--platform" not in probe.text


def test_the_cross_gcc_says_on_which_hosts_it_runs(project: Path) -> None:
    recipes = images.Recipes(catalogue_of(project), project, Arch.ARM64)
    scenario = with_probe(project, "cpp", toolchain="gcc-2.17")
    with pytest.raises(InputError, match="runs on x86_64 only"):
        recipes.image_of(cell(launcher="plain").axes, scenario)


def test_the_image_of_code_has_its_files_and_is_that_of_one_start(project: Path) -> None:
    (project / "re pro.py").write_text("")
    file = CodeFile(path=str(project / "re pro.py"), name="in ner/é.py")
    code = UserCode(kind=SCRIPT, file=file.name, files=(file,))

    def image(**changed: object) -> ImageSpec:
        scenario = scenario_of(project).model_copy(
            update={"driver": "", "probes": (), "code": code.model_copy(update=changed)}
        )
        recipes = images.Recipes(catalogue_of(project), project, Arch.X86_64)
        return recipes.image_of(cell(launcher="plain", probe="none").axes, scenario)

    spec = image()
    assert spec.role == "cell-tls-atexit-bookworm-plain"
    assert [item.name for item in spec.files if "scenario/" in item.name] == ["opt/scenario/in ner/é.py"]
    assert "PYTHONPATH" not in spec.text
    assert "probe" not in spec.text
    others: list[dict[str, object]] = [
        {"arguments": ("a",)},
        {"env": {"A": "b"}},
        {"network": True},
        {"file": "x"},
        {"kind": COMMAND},
    ]
    assert len({spec.key, *(image(**other).key for other in others)}) == 6
    assert image().key == spec.key


def test_the_libraries_of_the_portable_interpreters_are_made_once(project: Path) -> None:
    recipes = images.Recipes(catalogue_of(project), project, Arch.X86_64)
    for python in ("3.9.2", "3.11.2", "3.13.5", "3.13.5t"):
        recipes.image_of(cell(python=python, glibc="2.17", launcher="plain").axes, scenario_of(project))
    (libraries,) = (spec for spec in recipes.specs if spec.role == "libraries-x86-64")
    made = [spec for spec in recipes.specs if libraries.key in spec.parents]
    assert {spec.role for spec in made} == {
        "python-3-9-2", "python-3-11-2", "python-3-13-5", "python-3-13-5t",
    }  # fmt: skip
    assert "src/openssl-1.1.1w.tar.gz" in {file.name for file in libraries.files}


def test_a_free_threaded_interpreter_is_the_same_source_by_another_compiler(project: Path) -> None:
    usual = chain(project, python="3.13.5", launcher="plain")["python-3-13-5"]
    threaded = chain(project, python="3.13t", launcher="plain")["python-3-13-5t"]
    assert usual.files == threaded.files
    assert "build.sh 3.13.5t /src/Python-3.13.5.tar.xz" in threaded.text
    assert (
        'ENV CC="x86_64-linux-gnu-gcc --sysroot=/opt/gcc/x86_64-unknown-linux-gnu/sysroot ' in threaded.text
    )
    assert "ENV CC" not in usual.text


def test_an_archive_is_asked_for_the_modules_that_it_is_known_to_have(project: Path) -> None:
    specs = chain(project, python="3.10", glibc="2.36", launcher="plain")
    assert "check.py 3.10.8 curses,lzma,readline,sqlite3\n" in specs["python-3-10-8-archive"].text
    # In a base, what it takes from there may be missing.
    whole = "check.py 3.10.8 bz2,curses,lzma,readline,sqlite3,ssl\n"
    assert whole in specs["environment-bookworm-py3-10-8"].text
    portable = chain(project, python="3.11", glibc="2.17", launcher="plain")
    assert "check.py 3.11.2\n" in portable["environment-sysroot-2-17-py3-11-2"].text


def test_how_long_a_build_takes_is_told_and_changes_no_image(project: Path) -> None:
    before = chain(project, python="3.13.5", launcher="plain")
    slow = {role: spec.minutes for role, spec in before.items() if spec.minutes}
    assert set(slow) == {"libraries-x86-64", "python-3-13-5"}
    catalogue = project / "images" / "catalogue.yaml"
    text, changed = re.subn(r"x86_64: \d+", "x86_64: 99", catalogue.read_text())
    assert changed > 1
    catalogue.write_text(text)
    after = chain(project, python="3.13.5", launcher="plain")
    assert {spec.minutes for spec in after.values()} == {None, 99}
    assert {spec.key for spec in after.values()} == {spec.key for spec in before.values()}
