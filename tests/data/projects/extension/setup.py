from setuptools import Extension, setup

setup(
    name="tally",
    version="1.4.0",
    packages=["tally"],
    ext_modules=[
        Extension(
            "tally._tally",
            ["src/_tally.c"],
            include_dirs=["include"],
            depends=["include/compat.h"],
        )
    ],
)
