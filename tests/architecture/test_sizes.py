"""The tail is what makes code dreaded: no long module, no long function, few parameters."""

import ast

import pytest

LONGEST_MODULE = 300
LONGEST_FUNCTION = 40
LONGEST_COMPOSITION = 60
"""What joins a service's parts names each once; splitting the list hides it."""
MOST_PARAMETERS = 6


def functions(modules):
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield module, node


def test_no_module_is_long(modules):
    assert not [f"{m.file}: {m.lines}" for m in modules if m.lines > LONGEST_MODULE]


def test_no_function_is_long(modules):
    long = [
        f"{module.file}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
        for module, node in functions(modules)
        if node.end_lineno - node.lineno + 1
        > (LONGEST_COMPOSITION if module.parts[-1] == "app" else LONGEST_FUNCTION)
    ]
    assert not long


def test_no_function_takes_many_parameters(modules):
    many = []
    for module, node in functions(modules):
        if module.package == "isogloss":
            continue  # a command's options are its parameters
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = len([a for a in arguments if a.arg not in {"self", "cls"}])
        if count > MOST_PARAMETERS:
            many.append(f"{module.file}:{node.lineno} {node.name}: {count}")
    assert not many


def test_every_module_says_what_it_knows(modules):
    assert not [m.file for m in modules if m.lines and not ast.get_docstring(m.tree)]


BANNED = ("manager", "helper", "utils", "util", "misc", "common", "processor")


@pytest.mark.parametrize("word", BANNED)
def test_no_file_is_named_for_nothing(modules, word):
    assert not [m.file for m in modules if word in m.parts[-1].split("_")]
