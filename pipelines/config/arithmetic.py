"""Arithmetic that people write into `model.yaml`: numbers, names, + - * / and parentheses alone."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

from pipelines.errors import shorten

MAX_LENGTH = 500
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def parse(text: str, names: frozenset[str]) -> ast.expr:
    """The expression in `text`, of `names` alone.

    Raises:
        ValueError: it is something else; the message names the part.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression has at most {MAX_LENGTH} characters, this one has {len(text)}")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{shorten(repr(text))} is no arithmetic") from None
    _check(tree, names)
    return tree


def value(tree: ast.expr, names: Mapping[str, float]) -> float | None:
    """What a parsed expression comes to; None where it divides by nothing or outgrows a number."""
    try:
        found = _value(tree, names)
    except (ZeroDivisionError, OverflowError):
        return None
    return found if abs(found) < float("inf") else None


def _check(node: ast.expr, names: frozenset[str]) -> None:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, names)
            _check(right, names)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, names)
        case ast.Constant(value=bool()):
            raise ValueError("a truth value is no number")
        case ast.Constant(value=int() | float()):
            pass
        case ast.Name(id=name) if name in names:
            pass
        case _:
            told = shorten(ast.unparse(node), 40)
            raise ValueError(f"{told!r} is not allowed: use numbers, {', '.join(sorted(names))}, + - * / and ( )")


def _value(node: ast.expr, names: Mapping[str, float]) -> float:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand):
            return -_value(operand, names) if isinstance(op, ast.USub) else _value(operand, names)
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return names[name]
        case _:
            raise ValueError(f"{ast.dump(node)[:40]} was never parsed by `parse`")
