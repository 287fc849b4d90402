"""Images: a cell's chain of content-addressed images, rendered where a person can read it, built once."""

__lazy_modules__ = (
    "orchestrator.images.archives",
    "orchestrator.images.axes",
    "orchestrator.images.build",
    "orchestrator.images.catalogue",
    "orchestrator.images.packages",
    "orchestrator.images.recipe",
    "orchestrator.images.registries",
    "orchestrator.images.rendered",
)

from orchestrator.images.archives import cache_key, opened
from orchestrator.images.axes import IMAGE_AXES
from orchestrator.images.build import INHERITED, Progress, Result, build_all
from orchestrator.images.catalogue import load_catalogue, lock_catalogue
from orchestrator.images.packages import COMPILED, SDIST, SOURCE, TOOLS, WHEELS, lacks_compiler
from orchestrator.images.recipe import Recipes, digest_of_start
from orchestrator.images.registries import silent_registries
from orchestrator.images.rendered import render
from orchestrator.images.shipped import catalogue_file, shipped

__all__ = [
    "COMPILED",
    "IMAGE_AXES",
    "INHERITED",
    "SDIST",
    "SOURCE",
    "TOOLS",
    "WHEELS",
    "Progress",
    "Recipes",
    "Result",
    "build_all",
    "cache_key",
    "catalogue_file",
    "digest_of_start",
    "lacks_compiler",
    "load_catalogue",
    "lock_catalogue",
    "opened",
    "render",
    "shipped",
    "silent_registries",
]
