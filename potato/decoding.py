"""Decoding: the bytes of a raw file as UTF-8, with the name of the encoding that they came in."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass

# The mark of UTF-32 starts with that of UTF-16, hence before it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BLOCK = 4 << 20
_LOOKED_AT = 4096
# Python decodes a byte that is not UTF-8 to one of these when asked to, and keeps which byte it was.
_STRAY = re.compile("[\udc80-\udcff]")
_MULTIBYTE = re.compile("[^\x00-\x7f\udc80-\udcff]")
_WINDOWS = {chr(0xDC00 + byte): bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}
REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Decoded:
    """A raw file's text.

    `content` is UTF-8 without a mark; `encoding` is what it came in; `damaged` says whether bytes that no encoding
    explains stand in it as U+FFFD.
    """

    content: bytes
    encoding: str
    damaged: bool = False


def decode(content: bytes) -> Decoded:
    """Return the text of `content`: a byte order mark decides, else NULs at every other byte, else UTF-8 by default.

    Bytes that are not UTF-8 are read as Windows-1252, one by one, since programs of one office write both into a file.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            if encoding == "utf-8":
                return _narrow(content[len(mark) :], "utf-8-sig")
            return _wide(content[len(mark) :], encoding)
    encoding_without_mark = _wide_without_mark(content[:_LOOKED_AT])
    return _wide(content, encoding_without_mark) if encoding_without_mark else _narrow(content, "utf-8")


def _wide(content: bytes, encoding: str) -> Decoded:
    name = encoding.rsplit("-", 1)[0]
    try:
        return Decoded(content.decode(encoding).encode(), name)
    except UnicodeDecodeError:
        return Decoded(content.decode(encoding, "replace").encode(), name, damaged=True)


def _wide_without_mark(start: bytes) -> str | None:
    """Tell UTF-16 by its zeros: digits, separators and line ends have one each, always on the same side."""
    pairs = len(start) // 2
    first, second = start[::2].count(0), start[1::2].count(0)
    if second > 0.3 * pairs and first <= 0.01 * pairs:
        return "utf-16-le"
    if first > 0.3 * pairs and second <= 0.01 * pairs:
        return "utf-16-be"
    return None


def _narrow(content: bytes, name: str) -> Decoded:
    if _is_utf8(content):
        return Decoded(content, name)
    multibyte, strays, damaged, lines = False, 0, False, []
    for line in io.BytesIO(content):
        if not line.isascii():
            text = line.decode("utf-8", "surrogateescape")
            multibyte = multibyte or bool(_MULTIBYTE.search(text))
            text, found = _STRAY.subn(lambda byte: _WINDOWS[byte[0]], text)
            strays += found
            damaged = damaged or (found > 0 and REPLACEMENT in text)
            line = text.encode()
        lines.append(line)
    if name == "utf-8" and not multibyte:
        encoding = "windows-1252"
    else:
        encoding = f"{name} with {strays} {'byte' if strays == 1 else 'bytes'} of windows-1252"
    return Decoded(b"".join(lines), encoding, damaged)


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), _BLOCK):
            decoder.decode(content[start : start + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
