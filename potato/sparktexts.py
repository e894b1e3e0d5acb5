"""How Spark reads texts, made to be what DuckDB does: patterns, casts between texts and numbers, small letters.

Silver's rules stand on DuckDB's reading. Where Spark's own differs, its SQL is written otherwise here, and the
expressions of silver stay one for both.
"""

from __future__ import annotations

import re
from typing import Any

import ibis.expr.operations as ops
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.base import NULL
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

# RE2's blanks, word characters and end of text, where Java has a vertical tab, other letters and a last line end.
_BLANKS = r"\t\n\f\r "
_WORD = "0-9A-Za-z_"
_BOUNDARY = f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"

_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_FLOAT = (
    rf"^[\t\n\x0B\f\r ]*(?:[-+]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?{_DIGITS})?"
    r"|[-+]?(?i:inf|infinity|nan))[\t\n\x0B\f\r ]*\z"
)
_DATE = r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\z"
_PIECE = re.compile(r"\\.|\(\?i|\[|\]|\$", re.DOTALL)


def java(pattern: str) -> str:
    """Return a pattern of RE2 as one of Java that finds the same."""
    inside = False

    def written(match: re.Match[str]) -> str:
        nonlocal inside
        piece = match[0]
        if piece == r"\s":
            return _BLANKS if inside else f"[{_BLANKS}]"
        if piece == r"\b" and not inside:
            return _BOUNDARY
        if piece == "(?i" and not inside:
            return "(?iu"
        if piece == "$" and not inside:
            return r"\z"
        if piece == "[" and inside:
            return r"\["
        inside = True if piece == "[" else False if piece == "]" else inside
        return piece

    return _PIECE.sub(written, pattern)


class _Compiler(PySparkCompiler):
    __slots__ = ()

    def visit_RegexSearch(self, op: Any, *, arg: Any, pattern: Any) -> Any:  # noqa: N802
        return self.f.anon.rlike(arg, _pattern(op))

    def visit_RegexExtract(self, op: Any, *, arg: Any, pattern: Any, index: Any) -> Any:  # noqa: N802
        return self.f.anon.regexp_extract(arg, _pattern(op), index)

    def visit_RegexReplace(self, op: Any, *, arg: Any, pattern: Any, replacement: Any) -> Any:  # noqa: N802
        return self.f.anon.regexp_replace(arg, _pattern(op), replacement)

    def visit_Lowercase(self, op: Any, *, arg: Any) -> Any:  # noqa: N802
        # Java makes two letters of the first, and another one of the second where it ends a word.
        return self.f.lower(self.f.anon.translate(arg, sge.convert("İΣ"), sge.convert("iσ")))

    def visit_TryCast(self, op: Any, *, arg: Any, to: Any) -> Any:  # noqa: N802
        cast = super().visit_TryCast
        if not op.arg.dtype.is_string() or not (to.is_floating() or to.is_date()):
            return cast(op, arg=arg, to=to)
        if to.is_date():
            # Spark takes 2022 and 2022-05 for dates too.
            return self.if_(self._finds(arg, _DATE), cast(op, arg=arg, to=to), NULL)
        # Spark reads 1d and 1f as numbers, and neither 1_000 nor -nan.
        bare = self.f.anon.regexp_replace(arg, sge.convert("_|[-+](?=(?i:nan))"), sge.convert(""))
        return self.if_(self._finds(arg, _FLOAT), cast(op, arg=bare, to=to), NULL)

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:  # noqa: N802
        plain = super().visit_Cast(op, arg=arg, to=to)
        if not (op.arg.dtype.is_floating() and to.is_string()):
            return plain
        # Java writes 12345678.9 as 1.23456789E7.
        wide = self.f.anon.regexp_replace(
            plain.__class__(this=sge.Cast(this=plain, to=sge.DataType.build("decimal(38, 12)")), to=plain.args["to"]),
            sge.convert(r"(\.[0-9]+?)0+$"),
            sge.convert("$1"),
        )
        size = self.f.abs(arg)
        return self.if_(sge.and_(size >= 1e7, size < 1e16), wide, plain)

    def visit_Round(self, op: Any, *, arg: Any, digits: Any) -> Any:  # noqa: N802
        if digits is None or not op.arg.dtype.is_floating():
            return super().visit_Round(op, arg=arg, digits=digits)
        # Spark rounds the number as it is written in decimals, DuckDB the product; and Spark's zeros lose their sign.
        scale = self.cast(self.f.pow(10, digits), op.arg.dtype)
        rounded = self.f.anon.round(sge.paren(arg) * scale, sge.convert(0)) / scale
        return self.if_(rounded.eq(0), sge.paren(arg) * self.cast(0, op.arg.dtype), rounded)

    def visit_BitwiseLeftShift(self, op: Any, *, left: Any, right: Any) -> Any:  # noqa: N802
        # A written number has 32 bits in Spark, also where more are asked for.
        return super().visit_BitwiseLeftShift(op, left=self.cast(left, op.dtype), right=right)

    def visit_IsNull(self, op: Any, *, arg: Any) -> Any:  # noqa: N802
        return arg.is_(NULL)

    def visit_NotNull(self, op: Any, *, arg: Any) -> Any:  # noqa: N802
        return arg.is_(sge.not_(NULL))

    def _finds(self, arg: Any, pattern: str) -> Any:
        return self.f.anon.rlike(arg, sge.convert(pattern))


def _pattern(op: Any) -> Any:
    if not isinstance(op.pattern, ops.Literal):
        raise TypeError("a pattern is a text and no column")
    return sge.convert(java(op.pattern.value))


def compiler() -> PySparkCompiler:
    """Return the compiler of Spark's SQL."""
    return _Compiler()
