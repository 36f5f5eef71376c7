"""What a file is, by its first bytes: the formats this version cannot look into, or only in part.

A small table of our own tells more formats right than libmagic does, and says what matters here:
whether the text inside can be seen in the raw bytes. What is not in the table is read as bytes.
Signatures: the published specifications of each format.
"""

from __future__ import annotations

import re

from detectors.records import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """``name`` with its article, to begin a sentence. ``raw`` is True when text lies in it in the
    clear, at least in part: then the bytes are searched and the outcome still says *in part*."""

    name: str
    raw: bool = False
    encrypted: bool = False


def recognise(head: bytes) -> Format | None:
    """The format that cannot be read (in full) a source with this head is of, None when its
    bytes are to be read as they are. A text that happens to begin with ``ORC`` is a text."""
    found = _ANY.match(head)
    if found is None:
        return None
    for place, signature, form in _TABLE:
        if head.startswith(signature, place):
            doubtful = signature.isascii() and signature not in _TEXTUAL
            return None if doubtful and looks_text(head) else form
    return _RIFF.get(head[8:12])


def data_file(name: str, head: bytes) -> Format | None:
    """What a server keeps its tables in has no signature of its own, only a suffix."""
    form = _DATA_FILES.get(name[name.rfind(".") :].lower())
    return form if form is not None and not looks_text(head) else None


def looks_text(head: bytes) -> bool:
    """No control character that text has no use for in the first half kilobyte."""
    return not head[:512].translate(None, _HARMLESS)


def looks_random(head: bytes) -> bool:
    """Bytes as a cipher leaves them: of 4 KiB of them, all 256 values occur but one or two."""
    return len(head) >= 4096 and len(set(head)) >= 250


def is_packed(head: bytes) -> bool:
    """Whether a value in a database begins like something that must be unpacked or parsed."""
    found = _ANY.match(head)
    return found is not None and (found[1] is not None or recognise(head) is not None)


_DATA_FILES = {
    ".mdf": Format("A data file of SQL Server", True),
    ".ndf": Format("A data file of SQL Server", True),
    ".ldf": Format("A transaction log of SQL Server", True),
    ".ibd": Format("A table of InnoDB", True),
    ".myd": Format("A table of MyISAM", True),
}
_HARMLESS = bytes(byte for byte in range(256) if byte >= 32 or byte in b"\t\n\r\f\x1b")
_CONTAINERS = (b"PK\3\4", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"SQLite format 3\0")
_TEXTUAL = frozenset(
    (b"%PDF-", b"{\\rtf", b"-----BEGIN PGP MESSAGE-----", b"age-encryption.org/v1")
)
_RIFF = {
    b"WAVE": Format("A WAVE recording"),
    b"AVI ": Format("An AVI recording"),
    b"WEBP": Format("A WebP picture"),
}
_TABLE: tuple[tuple[int, bytes, Format], ...] = (
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format("An OLE document (doc, xls, ppt, msg)", True)),
    (0, b"%PDF-", Format("A PDF")),
    (0, b"{\\rtf", Format("An RTF document", True)),
    (0, b"\x89PNG\r\n\x1a\n", Format("A PNG picture")),
    (0, b"\xff\xd8\xff", Format("A JPEG picture")),
    (0, b"GIF87a", Format("A GIF picture")),
    (0, b"GIF89a", Format("A GIF picture")),
    (0, b"II*\0", Format("A TIFF picture")),
    (0, b"MM\0*", Format("A TIFF picture")),
    (0, b"\0\0\1\0", Format("An icon")),
    (0, b"8BPS", Format("A Photoshop picture")),
    (0, b"AT&TFORM", Format("A DjVu document")),
    (0, b"7z\xbc\xaf\x27\x1c", Format("A 7z archive")),
    (0, b"Rar!\x1a\x07", Format("A RAR archive")),
    (0, b"MSCF\0\0\0\0", Format("A cabinet archive")),
    (0, b"ITSF", Format("A compiled HTML help file")),
    (0, b"xar!", Format("A xar archive")),
    (0, b"\x1f\x9d", Format("A file packed by compress (.Z)")),
    (0, b"\x1f\xa0", Format("A file packed by LZH")),
    (2, b"-lh", Format("An LHA archive")),
    (0, b"\x28\xb5\x2f\xfd", Format("A zstd file")),
    (0, b"\x04\x22\x4d\x18", Format("An lz4 file")),
    (0, b"\xff\x06\0\0sNaPpY", Format("A snappy file")),
    (0, b"LZIP", Format("An lzip file")),
    (0, b"PAR1", Format("A Parquet file")),
    (0, b"PARE", Format("An encrypted Parquet file", encrypted=True)),
    (0, b"ORC", Format("An ORC file")),
    (0, b"ARROW1", Format("An Arrow file")),
    (0, b"Obj\1", Format("An Avro file")),
    (0, b"SEQ\6", Format("A Hadoop sequence file")),
    (0, b"ElfFile\0", Format("A Windows event log", True)),
    (0, b"!BDN", Format("An Outlook mailbox (PST)")),
    (0, b"TAPE\0\0\3\0", Format("A backup of SQL Server", True)),
    (0, b"REDIS00", Format("A snapshot of Redis", True)),
    (0, b"\0\1\0\0Standard Jet DB", Format("An Access database", True)),
    (0, b"\0\1\0\0Standard ACE DB", Format("An Access database", True)),
    (4, b"ftyp", Format("An MP4 or QuickTime recording")),
    (0, b"ID3", Format("An MP3 recording")),
    (0, b"\xff\xfb", Format("An MP3 recording")),
    (0, b"OggS", Format("An Ogg recording")),
    (0, b"fLaC", Format("A FLAC recording")),
    (0, b"\x1aE\xdf\xa3", Format("A Matroska or WebM recording")),
    (0, b"FLV\1", Format("A Flash recording")),
    (0, b"#!AMR", Format("An AMR recording")),
    (0, b"-----BEGIN PGP MESSAGE-----", Format("A PGP message", encrypted=True)),
    (0, b"Salted__", Format("A file encrypted by OpenSSL", encrypted=True)),
    (0, b"age-encryption.org/v1", Format("A file encrypted by age", encrypted=True)),
    (0, b"LUKS\xba\xbe", Format("A LUKS volume", encrypted=True)),
)

_ANY = re.compile(
    b"(%s)|RIFF|%s"
    % (
        b"|".join(map(re.escape, _CONTAINERS)),
        b"|".join(b"." * place + re.escape(signature) for place, signature, _ in _TABLE),
    ),
    re.DOTALL,
)
"""All of them in one look, which nearly always says no. Group 1: what can be unpacked."""
