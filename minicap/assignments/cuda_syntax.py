"""The syntax of the part of CUDA C++ that kernels of assignments are written in."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from minicap.errors import FormatError

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/)|(?P<number>(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?)[fFuU]?"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<text>\"[^\"\n]*\")|(?P<sign>\+\+|--|[-+*/%]=|[<>=!]=|&&|\|\||[-+*/%<>=!?:;,.(){}\[\]&])",
    re.DOTALL,
)
_LEFT_OUT = re.compile(r"^(#|typedef )[^\n]*$", re.MULTILINE)
TYPES = ("int", "unsigned", "real", "float", "double", "bool", "void")
LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"))
ASSIGNMENTS = ("=", "+=", "-=", "*=", "/=")


class Node(NamedTuple):
    """A statement or an expression."""

    kind: str
    line: int
    parts: tuple[Any, ...] = ()


class Parameter(NamedTuple):
    name: str
    const: bool


class Function(NamedTuple):
    file: str
    name: str
    type: str
    parameters: list[Parameter]
    body: list[Node]


@dataclass
class Program:
    """Functions by name, and the fields of structures by the structures' names."""

    functions: dict[str, Function]
    structures: dict[str, list[str]]


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse(text: str, file: str, program: Program) -> None:
    """Add the functions and structures of a file to a program.  Raises FormatError with the line."""
    text = _LEFT_OUT.sub("", text)
    tokens, place, line = [], 0, 1
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise FormatError(f"{file}:{line}: {text[place]!r} is not known here")
        if found.lastgroup != "space" and not found["space"]:
            kind = next(k for k in ("number", "name", "text", "sign") if found[k])
            tokens.append(_Token(kind, found[kind], line))
        line += text.count("\n", place, found.end())
        place = found.end()
    end = _Token("end", "the end of the file", line)
    _Parser([*tokens, end, end], file, program).file_of_kernels()


class _Parser:
    def __init__(self, tokens: list[_Token], file: str, program: Program) -> None:
        self.tokens, self.file, self.program, self.at = tokens, file, program, 0

    @property
    def now(self) -> _Token:
        return self.tokens[self.at]

    def is_next(self, *texts: str) -> bool:
        return self.now.text in texts and self.now.kind != "text"

    def take(self, *texts: str) -> bool:
        """Whether the next token is one of these; if so, it is passed."""
        found = self.is_next(*texts)
        self.at += found
        return found

    def want(self, text: str) -> None:
        if not self.take(text):
            raise FormatError(f"{self.file}:{self.now.line}: {text} is missing before {self.now.text}")

    def name(self) -> str:
        if self.now.kind != "name":
            raise FormatError(f"{self.file}:{self.now.line}: a name is missing before {self.now.text}")
        self.at += 1
        return self.tokens[self.at - 1].text

    def file_of_kernels(self) -> None:
        while self.now.kind != "end":
            if self.take("struct"):
                self.structure()
                continue
            kind = "void"
            while self.now.kind == "name" and self.tokens[self.at + 1].text != "(":
                word = self.name()
                kind = word if word not in ("KERNEL", "__device__", "inline", "static", "const") else kind
            name = self.name()
            parameters = self.parameters()
            body = self.block().parts
            self.program.functions[name] = Function(self.file, name, kind, parameters, list(body))

    def structure(self) -> None:
        """struct Name { real a, b[4]; };"""
        name, fields = self.name(), []
        self.want("{")
        while not self.take("}"):
            self.name()
            while not self.take(";"):
                fields.append(self.name())
                if self.take("["):
                    self.expression()
                    self.want("]")
                self.take(",")
        self.want(";")
        self.program.structures[name] = fields

    def parameters(self) -> list[Parameter]:
        found = []
        self.want("(")
        while not self.take(")"):
            const = self.take("const")
            self.name()
            self.take("*")
            if self.take("("):  # const real (&a)[4]
                self.want("&")
                name = self.name()
                for sign in (")", "["):
                    self.want(sign)
                self.expression()
                self.want("]")
            else:
                name = self.name()
            found.append(Parameter(name, const))
            self.take(",")
        return found

    def block(self) -> Node:
        line, statements = self.now.line, []
        self.want("{")
        while not self.take("}"):
            statements.append(self.statement())
        return Node("block", line, tuple(statements))

    def statement(self) -> Node:
        line = self.now.line
        if self.is_next("{"):
            return self.block()
        if self.take(";"):
            return Node("block", line)
        if self.take("if"):
            condition, then = self.condition(), self.statement()
            return Node("if", line, (condition, then, self.statement() if self.take("else") else None))
        if self.take("while"):
            return Node("loop", line, (None, self.condition(), None, self.statement()))
        if self.take("for"):
            self.want("(")
            first = None if self.take(";") else self.simple()
            goes_on = None if self.is_next(";") else self.expression()
            self.want(";")
            step = None if self.is_next(")") else self.expression()
            self.want(")")
            return Node("loop", line, (first, goes_on, step, self.statement()))
        if self.is_next("return", "break", "continue"):
            kind = self.name()
            parts = ((None if self.is_next(";") else self.expression()),) if kind == "return" else ()
            self.want(";")
            return Node(kind, line, parts)
        return self.simple()

    def condition(self) -> Node:
        self.want("(")
        found = self.expression()
        self.want(")")
        return found

    def simple(self) -> Node:
        """A declaration or an expression, with its semicolon."""
        line, after = self.now.line, self.tokens[self.at + 1]
        is_type = self.is_next("const", *TYPES, *self.program.structures)
        if not is_type or (after.kind != "name" and after.text not in ("*", "&")):
            found = Node("expression", line, (self.expression(),))
            self.want(";")
            return found
        self.take("const")
        kind, declared = self.name(), []
        while True:
            own = kind + "*" if self.take("*", "&") else kind
            name, size = self.name(), None
            if self.take("["):
                size = self.expression()
                self.want("]")
            value = self.assignment() if self.take("=") else None
            declared.append(Node("declare", line, (own, name, size, value)))
            if not self.take(","):
                break
        self.want(";")
        return declared[0] if len(declared) == 1 else Node("block", line, tuple(declared))

    def expression(self) -> Node:
        line, found = self.now.line, [self.assignment()]
        while self.take(","):
            found.append(self.assignment())
        return found[0] if len(found) == 1 else Node("comma", line, tuple(found))

    def assignment(self) -> Node:
        if self.is_next("{"):
            return self.list_of_values()
        line, target = self.now.line, self.choice()
        if self.is_next(*ASSIGNMENTS):
            operator = self.now.text
            self.at += 1
            return Node("assign", line, (operator, target, self.assignment()))
        return target

    def list_of_values(self) -> Node:
        line, found = self.now.line, []
        self.want("{")
        while not self.take("}"):
            found.append(self.assignment())
            self.take(",")
        return Node("list", line, tuple(found))

    def choice(self) -> Node:
        line, condition = self.now.line, self.binary(0)
        if not self.take("?"):
            return condition
        then = self.assignment()
        self.want(":")
        return Node("choice", line, (condition, then, self.assignment()))

    def binary(self, level: int) -> Node:
        if level == len(LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.is_next(*LEVELS[level]):
            operator, line = self.now.text, self.now.line
            self.at += 1
            left = Node("binary", line, (operator, left, self.binary(level + 1)))
        return left

    def unary(self) -> Node:
        operator, line = self.now.text, self.now.line
        if self.take("-", "+", "!"):
            return Node("unary", line, (operator, self.unary()))
        if self.take("++", "--"):
            return Node("count", line, (operator, self.unary(), True))
        return self.postfix()

    def postfix(self) -> Node:
        found = self.primary()
        while True:
            line = self.now.line
            if self.take("["):
                found = Node("index", line, (found, self.expression()))
                self.want("]")
            elif self.take("."):
                found = Node("member", line, (found, self.name()))
            elif self.is_next("++", "--"):
                found = Node("count", line, (self.now.text, found, False))
                self.at += 1
            else:
                return found

    def primary(self) -> Node:
        token = self.now
        if self.take("("):
            found = self.expression()
            self.want(")")
            return found
        self.at += 1
        if token.kind == "number":
            return Node(
                "number",
                token.line,
                (float(token.text) if re.search("[.eE]", token.text) else int(token.text),),
            )
        if token.kind == "text":
            return Node("number", token.line, (token.text[1:-1],))
        if token.kind == "name" and token.text in ("true", "false", "nullptr"):
            return Node("number", token.line, ({"true": True, "false": False, "nullptr": None}[token.text],))
        if token.kind == "name" and self.take("("):
            given = []
            while not self.take(")"):
                given.append(self.assignment())
                self.take(",")
            return Node("call", token.line, (token.text, *given))
        if token.kind != "name":
            raise FormatError(f"{self.file}:{token.line}: {token.text} does not belong here")
        return Node("name", token.line, (token.text,))
