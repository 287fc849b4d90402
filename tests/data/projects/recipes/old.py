"""As told.py, for older releases, which CPython 3.9 and 3.10 can install, and of these two themselves."""


def ast_unary():
    import ast

    ast.parse("+0" * 209644)


def regex_conditional():
    import regex

    regex.compile(r"(?(?<=A)|(?(?![^B])C|D))").match("A")


def libcst_parentheses():
    import os

    os.environ["LIBCST_PARSER_TYPE"] = "native"
    import libcst

    libcst.parse_module("x = " + "(" * 3000 + "1" + ")" * 3000)
