"""gzip, bzip2, xz, tar and zip: everything in them comes out, and what does not is told."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.contracts import Limits
from scanner.readers.compressed import unpacked_name
from tests.readers.packing import see

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
content = st.binary(min_size=1, max_size=5000) | st.binary(min_size=1, max_size=50).map(
    lambda part: part * 5000
)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=120)


def tar_of(files: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


# --- compressed streams -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", PACKERS)
@given(data=content.map(lambda data: b"text " + data))
@settings(max_examples=25, deadline=None)
def test_what_was_packed_comes_out(suffix: str, data: bytes) -> None:
    packed = PACKERS[suffix](data)
    seen = see(packed, f"app.log.{suffix}")
    assert seen.content == {"app.log": data}
    assert not seen.problems
    assert seen.bytes_read == len(packed)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_several_streams_in_one_file(suffix: str) -> None:
    pack = PACKERS[suffix]
    packed = pack(b"one ") + pack(b"") + pack(b"two ") + bytes(512) + pack(b"three")
    seen = see(packed, f"a.{suffix}")
    assert seen.content == {"a": b"one two three"}
    assert not seen.problems


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_bytes_behind_the_stream_are_told(suffix: str) -> None:
    seen = see(PACKERS[suffix](b"content") + b"and something else", f"a.{suffix}")
    assert seen.content == {"a": b"content"}
    assert seen.problems == [("a", "corrupt")]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("size", [10, 200_000])
def test_a_stream_that_was_cut_off(suffix: str, size: int) -> None:
    """Also when all of it fits into the head that is looked at first."""
    data = b"".join(b"line %d of the log\n" % i for i in range(size // 10))
    packed = PACKERS[suffix](data)
    seen = see(packed[: len(packed) * 2 // 3], f"a.{suffix}")
    assert data.startswith(seen.content.get("a", b""))
    if size > 10 and suffix in ("gz", "xz"):
        assert len(seen.content["a"]) > len(data) // 4
    assert seen.problems == [("a", "truncated")]


def test_a_wrong_checksum_is_told_after_the_content() -> None:
    packed = bytearray(gzip.compress(b"content " * 100))
    packed[-6] ^= 1
    seen = see(bytes(packed), "a.gz")
    assert seen.content == {"a": b"content " * 100}
    assert seen.problems == [("a", "corrupt")]


def test_names_as_the_tools_would_unpack_them() -> None:
    wanted = {
        "logs/app.log.gz": "app.log",
        "a.tgz": "a.tar",
        "A.GZ": "A",
        "b.tar.xz": "b.tar",
        "no suffix": "no suffix",
        ".gz": ".gz",
    }
    assert {name: unpacked_name(name) for name in wanted} == wanted


# --- tar ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("seekable", [True, False])
@given(files=st.dictionaries(names, content, min_size=1, max_size=4))
@example(files={"]": b"\x00"})
@settings(max_examples=25, deadline=None)
def test_tar_round_trip(form: int, seekable: bool, files: dict[str, bytes]) -> None:
    files = {name: b"text " + data for name, data in files.items()}
    try:
        packed = tar_of(files, form)
    except ValueError:  # ustar cannot keep this name
        return
    seen = see(packed, "a.tar", seekable=seekable)
    assert seen.content == files
    assert not seen.problems


def test_links_folders_and_devices_have_no_content() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"n{kind!r}")
            info.type, info.linkname = kind, "elsewhere"
            archive.addfile(info)
        info = tarfile.TarInfo("last")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"text"))
    assert see(out.getvalue()).content == {"last": b"text"}


def test_archives_one_behind_the_other() -> None:
    seen = see(tar_of({"a": b"one"}) + tar_of({"b": b"two"}))
    assert seen.content == {"a": b"one", "b": b"two"}


@pytest.mark.parametrize("seekable", [True, False])
def test_a_tar_that_was_cut_off(seekable: bool) -> None:
    packed = tar_of({"a": b"x" * 1000, "b": b"y" * 5000})
    seen = see(packed[:4000], seekable=seekable)
    assert seen.content["a"] == b"x" * 1000
    assert seen.content["b"] == b"y" * (4000 - 2048)
    assert seen.reasons == {"truncated"}


def test_a_damaged_header_ends_the_archive_and_is_told() -> None:
    packed = bytearray(tar_of({"a": b"one", "b": b"two"}))
    packed[1024 + 5] ^= 1
    seen = see(bytes(packed))
    assert seen.content == {"a": b"one"}
    assert seen.problems == [(None, "corrupt")]


def test_a_header_of_any_claimed_size_is_not_believed() -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = b"L", 8 << 30
    seen = see(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    assert seen.problems == [(None, "budget-memory")]


@pytest.mark.parametrize("size", [-1, -(1 << 40), 1 << 62])
def test_absurd_sizes(size: int) -> None:
    header = bytearray(tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size.to_bytes(12, "big", signed=True)
    header[124] |= 0x80
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    seen = see(tar_of({"b": b"x"})[:1024] + bytes(header) + b"z" * 512)
    assert seen.content["b"] == b"x"
    assert seen.problems


# --- zip ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@given(files=st.dictionaries(names, content, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_zip_round_trip(method: int, files: dict[str, bytes]) -> None:
    files = {f"f{name}": b"text " + data for name, data in files.items()}
    packed = zip_of(files, method)
    for data in (packed, packed + b"", b"PK\3\4" + packed):  # the last: something put in front
        seen = see(data, "a.zip")
        assert {name: seen.content[name] for name in files} == files
        assert not seen.problems


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def test_a_zip_written_to_a_pipe_has_its_sizes_behind() -> None:
    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"content " * 100)
    seen = see(out.getvalue())
    assert seen.content == {"a": b"content " * 100}
    assert not seen.problems
    cut = see(out.getvalue()[: out.getvalue().index(b"PK\1\2")])
    assert cut.content == {"a": b"content " * 100}
    assert cut.problems == [(None, "truncated")]


@pytest.mark.parametrize("local", [True, False])
def test_an_entry_that_claims_to_be_empty_and_is_not(local: bool) -> None:
    """Its directory says 0 bytes, and with ``local`` the header before the bytes says so too."""
    packed = bytearray(zip_of({"hidden": b"text " * 50, "open": b"text"}, zipfile.ZIP_STORED))
    struct.pack_into("<2L", packed, packed.index(b"PK\1\2") + 20, 0, 0)
    if local:
        struct.pack_into("<2L", packed, 18, 0, 0)
    seen = see(bytes(packed))
    assert seen.content == {"open": b"text"}
    assert seen.problems == [("hidden", "corrupt")]


def test_an_entry_that_is_nowhere_is_told_even_if_empty() -> None:
    packed = bytearray(zip_of({"a": b"", "open": b"text"}))
    struct.pack_into("<L", packed, packed.index(b"PK\1\2") + 42, 3)
    assert see(bytes(packed)).problems[0] == ("a", "corrupt")


@given(st.lists(st.sampled_from(["empty", "folder/", "full"]), unique=True), st.booleans())
def test_entries_that_are_empty_are_no_problem(kinds: list[str], piped: bool) -> None:
    out = Pipe() if piped else io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in kinds:
            archive.writestr(name, b"text" if name == "full" else b"")
    seen = see(out.getvalue(), "a.zip")
    assert not seen.problems and ("full" in seen.content) == ("full" in kinds)


def test_a_zip_that_was_cut_off_gives_what_is_there() -> None:
    packed = zip_of({"a": b"one " * 500, "b": b"two " * 500})
    seen = see(packed[: packed.index(b"PK\1\2") - 3])
    assert seen.content["a"] == b"one " * 500
    assert (None, "truncated") in seen.problems


def test_an_encrypted_entry_is_told_and_the_rest_read() -> None:
    packed = bytearray(zip_of({"locked": b"secret", "open": b"text"}))
    place = packed.index(b"PK\1\2")
    packed[place + 8] |= 1
    packed[6] |= 1
    seen = see(bytes(packed))
    assert seen.content == {"open": b"text"}
    assert seen.problems == [("locked", "encrypted")]


def test_an_archive_of_which_nothing_can_be_read() -> None:
    packed = bytearray(zip_of({"locked": b"secret"}))
    packed[packed.index(b"PK\1\2") + 8] |= 1
    assert see(bytes(packed)).raised == "encrypted"
    assert see(tar_of({"in.zip": bytes(packed)})).problems == [("in.zip", "encrypted")]


def test_a_method_that_is_not_known() -> None:
    packed = bytearray(zip_of({"a": b"text " * 50}))
    place = packed.index(b"PK\1\2")
    struct.pack_into("<H", packed, place + 10, 9)
    assert see(bytes(packed)).problems == [("a", "unsupported-format")]


def test_entries_that_overlap_are_not_unpacked_again() -> None:
    """As in the bomb that makes 5 GB of 42 KB: many names for the same bytes."""
    packed = zip_of({"a": bytes(100_000)})
    local, rest = packed[: packed.index(b"PK\1\2")], packed[packed.index(b"PK\1\2") :]
    entry = rest[: rest.index(b"PK\5\6")]
    quoted = [local]
    directory = b""
    for i in range(50):  # each local header quotes the next as its content
        header = local[:26] + struct.pack("<2H", 1, 0) + b"a"
        quoted.insert(0, header)
        one = bytearray(entry)
        struct.pack_into("<L", one, 42, i * len(header))
        struct.pack_into("<L", one, 20, len(local) + (49 - i) * len(header))
        directory += bytes(one)
    body = b"".join(quoted)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 50, 50, len(directory), len(body), 0)
    seen = see(body + directory + end)
    assert sum(map(len, seen.content.values())) <= 100_000
    assert seen.reasons == {"corrupt"}
    assert len(seen.problems) >= 49


def test_a_checksum_that_does_not_fit() -> None:
    packed = bytearray(zip_of({"a": b"text " * 50}))
    place = packed.index(b"PK\1\2")
    packed[place + 16] ^= 1
    seen = see(bytes(packed))
    assert seen.content == {"a": b"text " * 50}
    assert seen.problems == [("a", "corrupt")]


def test_sizes_over_32_bits_are_told_in_the_extra_field() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("a", "w", force_zip64=True) as file:
        file.write(b"content")
    assert see(out.getvalue()).content == {"a": b"content"}


def test_an_office_document_is_read_in_part_and_says_so() -> None:
    seen = see(zip_of({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<w:t>hello</w:t>"}))
    assert seen.content["word/document.xml"] == b"<w:t>hello</w:t>"
    assert seen.problems == [(None, "unsupported-format")]


# --- one inside another -------------------------------------------------------------------------


@given(data=content, seekable=st.booleans())
@settings(max_examples=20, deadline=None)
def test_an_archive_in_an_archive_in_a_stream(data: bytes, seekable: bool) -> None:
    data = b"text " + data
    inner = zip_of({"deep.txt": data})
    packed = gzip.compress(tar_of({"x/inner.zip": inner, "plain": b"text"}))
    seen = see(packed, "all.tar.gz", seekable=seekable)
    assert seen.content == {"all.tar!x/inner.zip!deep.txt": data, "all.tar!plain": b"text"}
    assert not seen.problems


def test_a_member_too_large_to_hold_is_told_and_the_rest_read() -> None:
    inner = zip_of({"deep": b"x" * 3000}, zipfile.ZIP_STORED)
    packed = gzip.compress(tar_of({"in.zip": inner, "plain": b"text"}))
    seen = see(packed, "a.tgz", Limits(memory=1000))
    assert seen.content == {"a.tar!plain": b"text"}
    assert seen.problems == [("a.tar!in.zip", "budget-memory")]
