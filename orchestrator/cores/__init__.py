"""Finds a trial's core on the host, and makes the sysroot that is needed to read it."""

__lazy_modules__ = (
    "orchestrator.cores.collection",
    "orchestrator.cores.debian",
    "orchestrator.cores.debuginfod",
    "orchestrator.cores.journal",
    "orchestrator.cores.linkmap",
    "orchestrator.cores.others",
    "orchestrator.cores.sources",
    "orchestrator.cores.sysroot",
)

from orchestrator.cores.collection import collect
from orchestrator.cores.debian import debug_packages
from orchestrator.cores.debuginfod import DebugServer
from orchestrator.cores.journal import DumpedCore, dump
from orchestrator.cores.linkmap import program_path
from orchestrator.cores.others import Others, collect_others, crashes_in
from orchestrator.cores.sources import ContainerSource, FolderSource, ProgramSource, Source, image_source
from orchestrator.cores.sysroot import STORE, SYSROOTS, image_sysroot, make_sysroot

__all__ = [
    "STORE",
    "SYSROOTS",
    "ContainerSource",
    "DebugServer",
    "DumpedCore",
    "FolderSource",
    "Others",
    "ProgramSource",
    "Source",
    "collect",
    "collect_others",
    "crashes_in",
    "debug_packages",
    "dump",
    "image_source",
    "image_sysroot",
    "make_sysroot",
    "program_path",
]
