"""`crashmatrix analyze`, apart from the other commands: it starts without what they import."""

import argparse
import sys

from orchestrator.crash import BACKENDS
from orchestrator.errors import EXIT_OK
from orchestrator.pipeline import AnalyzeRequest, analyze_core


def analyze(arguments: argparse.Namespace) -> int:
    """What a core tells."""
    crash = analyze_core(
        AnalyzeRequest(
            core=arguments.core,
            program=arguments.exe,
            sysroot=arguments.sysroot,
            image=arguments.image,
            container=arguments.container,
            backends=tuple(arguments.backend or BACKENDS),
        )
    )
    if arguments.json:
        sys.stdout.write(crash.model_dump_json(indent=1) + "\n")
        return EXIT_OK
    from orchestrator.cli.analysis import show_crash
    from orchestrator.cli.console import open_console

    show_crash(open_console(), crash)
    return EXIT_OK
