def use(names):
    """Make an object of each public native class that needs no argument; returns the objects."""
    loaded = [sys.modules[name] for name in [*names, *EXTENSIONS] if name in sys.modules]
    made = []
    for module in loaded:
        for key, value in list(vars(module).items()):
            if key.startswith("_") or not isinstance(value, type) or len(made) > 200:
                continue
            if issubclass(value, BaseException):
                continue
            if any(isinstance(item, types.FunctionType) for item in vars(value).values()):
                continue
            try:
                made.append(value())
            except BaseException:
                continue
    return made
