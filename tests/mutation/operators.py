"""Ways to break a line of linear algebra, for cosmic-ray, which has none of its own for `@`,
adjoints, calls and options."""

from cosmic_ray.operators.operator import Operator
from parso.python.tree import Name

MODULES = {"np", "functools", "operator", "time"}
# options without effect on numbers: of a dataclass field, and of a zip of equally long things
IDLE = ("repr", "strict")


class _Rewrite(Operator):
    """An operator given by rewrites(node): the texts that may stand in place
    of a node of the syntax tree."""

    def mutation_positions(self, node):
        return [(node.start_pos, node.end_pos) for _ in self.rewrites(node)]

    def mutate(self, node, index):
        return Name(list(self.rewrites(node))[index], node.start_pos,
                    prefix=node.get_first_leaf().prefix)

    @classmethod
    def examples(cls):
        return ()


class DropFactor(_Rewrite):
    """A @ B @ C becomes B @ C, A @ C, A @ B."""

    def rewrites(self, node):
        if node.type == "term" and {sign.value for sign in node.children[1::2]} == {"@"}:
            factors = [_code(child) for child in node.children[::2]]
            for k in range(len(factors)):
                yield " @ ".join(factors[:k] + factors[k + 1:])


class DropCall(_Rewrite):
    """H(X), np.abs(X), X.conj(), X.astype(d) become X: a call of one argument its argument, a
    method of at most one its object. Of a chain of calls it is the last."""

    def rewrites(self, node):
        if node.type != "atom_expr" or node.children[-1].children[0].value != "(":
            return
        arguments, (head, *path) = _arguments(node.children[-1]), node.children[:-1]
        is_function = (head.type == "name" and (not path or head.value in MODULES)
                       and all(part.children[0] == "." for part in path))
        named = [argument.type == "argument" for argument in arguments]
        if is_function and len(arguments) >= 1 and all(named[1:]):
            if not named[0]:
                yield f"({_code(arguments[0])})"
        elif path and path[-1].children[0].value == "." and len(arguments) <= 1:
            yield "".join(map(_code, [head, *path[:-1]]))


class DropKeyword(_Rewrite):
    """f(X, dtype=d) becomes f(X)."""

    def rewrites(self, node):
        if node.type == "trailer" and node.children[0].value == "(":
            arguments = _arguments(node)
            for dropped in arguments:
                is_keyword = dropped.type == "argument" and dropped.children[1] == "="
                if is_keyword and _code(dropped.children[0]) not in IDLE:
                    others = (_code(argument) for argument in arguments if argument is not dropped)
                    yield f"({', '.join(others)})"


class DropStatement(_Rewrite):
    """A call for its effect, or a raise, becomes pass."""

    def rewrites(self, node):
        if node.parent and node.parent.type == "simple_stmt":
            is_call = node.type == "atom_expr" and node.children[-1].children[0].value == "("
            if node.type == "raise_stmt" or is_call:
                yield "pass"


def _code(node):
    return node.get_code(include_prefix=False)


def _arguments(trailer):
    inside = trailer.children[1:-1]
    if inside and inside[0].type == "arglist":
        inside = inside[0].children
    return [node for node in inside if node != ","]
