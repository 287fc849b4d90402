"""The packages of a wheel; all else stands in pyproject.toml, which cannot give one of them another folder.

The folder images/ travels as package data of the station that reads it (orchestrator/images/shipped.py).
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["orchestrator*"]), "orchestrator.images.data"],
    package_dir={"orchestrator.images.data": "images"},
    package_data={"": ["**/*"]},
    exclude_package_data={"": ["*.pyc"]},
)
