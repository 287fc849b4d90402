"""Runs where drgn is installed: prints the functions of a core's crashed thread as JSON, innermost first."""

import json
import sys

import drgn

program = drgn.Program()
program.set_core_dump(sys.argv[1])
try:
    program.load_debug_info([sys.argv[2]], default=True)
except drgn.MissingDebugInfoError as error:
    sys.stderr.write(f"{error}\n")
trace = program.crashed_thread().stack_trace()
# What a signal interrupted follows the code that a handler returns to, which the others show as a mark.
frames = [
    frame
    for frame, outer in zip(trace, [*list(trace)[1:], None], strict=True)
    if not (outer and outer.interrupted and not frame.interrupted)
]
sys.stdout.write(json.dumps([frame.name for frame in frames]))
