"""The mutants of a file: what cosmic-ray and operators.py make of it, as mutation.cfg says."""

import ast
import configparser
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from . import operators

ROOT = Path(__file__).parent.parent.parent
CONFIG = configparser.ConfigParser(interpolation=configparser.ExtendedInterpolation())
HEADED = ("funcdef", "classdef", "if_stmt", "for_stmt", "while_stmt", "with_stmt", "try_stmt",
          "decorated")
CONFIG.read(Path(__file__).with_name("mutation.cfg"), encoding="utf-8")


class Mutant(NamedTuple):
    file: str
    change: str         # the line(s) before and after, as in a diff; unique in its file
    source: str         # the whole file after
    lines: range        # of the statement, before; a loop's or a condition's own with all below it


def mutants(file):
    """All mutants of a file that differ as programs, wording and annotations apart."""
    source = (ROOT / file).read_text(encoding="utf-8")
    seen, changes, nodes = {None, _program(source)}, [], list(ast_nodes(get_ast(source)))
    for name in CONFIG["mutation"]["operators"].split():
        operator = get_operator(name)() if "/" in name else getattr(operators, name)()
        places = [place for place in nodes for _ in operator.mutation_positions(place)]
        for occurrence, node in enumerate(places):
            mutated = mutate_code(source, operator, occurrence)
            program = _program(mutated)
            if program not in seen and not _is_wording(node):
                seen.add(program)
                changes.append(change := _change(source.splitlines(), mutated.splitlines()))
                number = f"\n  no. {n}" if (n := changes.count(change)) > 1 else ""
                yield Mutant(file, change + number, mutated, _statement(node))


def _program(source):
    """None for what is no Python, such as `not x := 1`."""
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return None


def _statement(node):
    """The lines of the smallest statement around a node, or of the head that it is in."""
    while node.parent and not (node.type.endswith("stmt")
                               or node.parent.type in (*HEADED, "file_input", "suite")):
        node = node.parent
    return range(node.start_pos[0], node.end_pos[0] + 1)


def _is_wording(node):
    """Is it part of a message or an annotation, or of an idle option?"""
    while above := node.parent:
        if above.type in ("fstring", "raise_stmt"):
            return True
        if above.type == "annassign" and node is above.children[1]:
            return True
        if above.type == "argument" and above.children[0].get_code().strip() in operators.IDLE:
            return True
        node = above
    return False


def _change(old, new):
    before = _agreeing(old, new)
    after = _agreeing(old[before:][::-1], new[before:][::-1])
    lines = ([("-", line) for line in old[before:len(old) - after]]
             + [("+", line) for line in new[before:len(new) - after]])
    return "\n".join(f"{sign} {line.strip()}".strip() for sign, line in lines)


def _agreeing(old, new):
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))))
