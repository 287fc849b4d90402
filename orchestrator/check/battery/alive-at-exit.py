import ctypes
import sys
import types

pass  # import

NAMES = []
EXTENSIONS = []

# include use

made = use(NAMES)
for item in made:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
