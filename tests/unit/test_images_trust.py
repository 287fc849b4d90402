"""Which build stages are given the host's certificate authorities: those that fetch, no cell's own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import images
from orchestrator.images.context import HOST_CA
from orchestrator.model import (
    MATRIX_ARCHES,
    Arch,
    Catalogue,
    Cell,
    ImageKind,
    ImagePin,
    ImageSpec,
    ProbeSource,
    Scenario,
)

ROOT = Path(__file__).parents[2]
FETCHES = re.compile(r"\b(apt-get|cargo fetch|pip|npm|curl|wget)\b")
TRUSTS = re.compile(rf"^COPY {re.escape(HOST_CA)} ", re.MULTILINE)
SOURCES = {"cpp": "cpp/tlsprobe.cpp", "rust": "rust/tlsprobe.rs", "pyo3": "pyo3/Cargo.toml",
           "c-embed": "cpp/tlsprobe.cpp"}  # fmt: skip
OLDEST = {"python": "3.13", "glibc": "2.17"}


def scenario_of(*probes: ProbeSource) -> Scenario:
    return Scenario(
        name="tls-atexit", title="", story="", folder=str(ROOT / "scenarios/tls-atexit"), driver="driver.py",
        timeout=20, trials=1, probes=probes,
    )  # fmt: skip


def probe(language: str, **more: str) -> ProbeSource:
    fields = {"language": language, "source": SOURCES[language], "name": "tlsprobe", **more}
    return ProbeSource.model_validate(fields)


def cell(**axes: str) -> Cell:
    usual = {"scenario": "tls-atexit", "python": "3.11", "glibc": "2.36", "arch": "x86_64",
             "launcher": "uwsgi", "probe": "cpp"}  # fmt: skip
    return Cell.from_axes(usual | axes)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The project's own, with one base taken from a registry."""
    found = images.load_catalogue(ROOT / "images/catalogue.yaml")
    ubuntu = next(base for base in found.bases if base.name == "ubuntu-24.04" and base.registry)
    assert ubuntu.registry
    pin = ImagePin(
        image=ubuntu.registry.images[Arch.X86_64], tag=ubuntu.registry.tag, digest=f"sha256:{'0' * 64}"
    )
    return found.model_copy(update={"images": (pin,)})


@pytest.fixture(scope="module")
def specs(catalogue: Catalogue) -> tuple[ImageSpec, ...]:
    """Every kind of image there is: of all templates, for both architectures."""
    recipes = images.Recipes(catalogue, ROOT, Arch.X86_64)
    for arch in MATRIX_ARCHES:
        for language in SOURCES:
            recipes.image_of(cell(probe=language, arch=arch).axes, scenario_of(probe(language)))
        recipes.image_of(cell(**OLDEST, arch=arch).axes, scenario_of(probe("cpp")))
    recipes.image_of(cell(instrument="strace").axes, scenario_of(probe("cpp")))
    recipes.image_of(cell(python="3.13", glibc="2.39", launcher="plain").axes, scenario_of(probe("cpp")))
    recipes.image_of(
        cell(python="3.13", glibc="2.41", launcher="plain").axes,
        scenario_of(probe("cpp", toolchain="native")),
    )
    return recipes.specs


def stages(spec: ImageSpec) -> list[str]:
    return re.split(r"^(?=FROM )", spec.text, flags=re.MULTILINE)[1:]


def below_cells(specs: tuple[ImageSpec, ...]) -> Iterator[ImageSpec]:
    """The cells' images and, down their last stages, every image whose layers a cell has."""
    by_tag = {spec.tag: spec for spec in specs}
    for spec in specs:
        at: ImageSpec | None = spec if spec.role.startswith("cell-") else None
        while at is not None:
            yield at
            last = stages(at)[-1] if at.kind is ImageKind.DOCKERFILE else ""
            parent = re.match(r"FROM (?:--platform=\S+ )?(\S+)", last)
            at = by_tag.get(parent[1]) if parent else None


def test_a_stage_that_fetches_trusts_whom_the_host_trusts_unless_a_cell_is_made_of_it(
    specs: tuple[ImageSpec, ...],
) -> None:
    reaching = {spec.key for spec in below_cells(specs)}
    fetching = {}
    for spec in (spec for spec in specs if spec.kind is ImageKind.DOCKERFILE):
        *others, last = stages(spec)
        for stage in [*others, *([] if spec.key in reaching else [last])]:
            trust, fetch = TRUSTS.search(stage), FETCHES.search(stage)
            if fetch:
                assert trust, f"{spec.role} fetches without the host's authorities:\n{stage}"
                assert trust.start() < fetch.start()
                fetching[spec.role] = spec
    assert fetching.keys() >= {
        "builder", "builder-for-arm64", "builder-cargo", "builder-cargo-for-arm64", "toolchain-x86-64",
        "toolchain-arm64", "uwsgi-bookworm", "probe-tls-atexit-pyo3", "probe-tls-atexit-c-embed-bookworm",
        "probe-tls-atexit-cpp-trixie",
    }  # fmt: skip


def test_no_layer_of_a_cell_has_the_hosts_authorities(specs: tuple[ImageSpec, ...]) -> None:
    reaching = {spec.role: spec for spec in below_cells(specs) if spec.kind is ImageKind.DOCKERFILE}
    assert reaching.keys() >= {"base-ubuntu-24-04", "strace-base-bookworm", "base-sysroot-2-17"}
    for spec in reaching.values():
        assert not TRUSTS.search(stages(spec)[-1])
