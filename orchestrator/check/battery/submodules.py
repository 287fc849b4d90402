import importlib

MODULES = []

for name in MODULES:
    print("importing", name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(" ", type(error).__name__, flush=True)
