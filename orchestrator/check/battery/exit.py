import sys

pass  # import

if hasattr(sys, "_is_gil_enabled"):
    print("gil:", "on" if sys._is_gil_enabled() else "off")
