"""Zip archives: their members as documents, read where they lie; nothing is ever unpacked to the disk."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

from classify.errors import DocumentError
from classify.formats import ARCHIVES, EVERY, listed

MAX_MEMBERS = 10_000
# Text packs three to ten times smaller; what packs far better is no text.
MAX_RATIO = 200
MAX_TOTAL = 4 * 1024**3
# Below this the ratio tells nothing.
SMALL = 1024 * 1024
# The archive's directory is held in memory; this is what so many members with long names need.
MAX_DIRECTORY = 4 * 1024**2


@dataclass(frozen=True)
class Member:
    """A file in an archive, readable as any other.

    Attributes:
        name: ``archive.zip/folder/name.txt``.
        packed: bytes it takes in the archive.
    """

    name: str
    packed: int
    _archive: zipfile.ZipFile
    _info: zipfile.ZipInfo

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The member's bytes.

        Raises:
            DocumentError: when it is encrypted, packed too well to be text, or damaged, also while it is read.
        """
        info = self._info
        if info.flag_bits & 1:
            raise DocumentError(f"{self} is encrypted: unpack the archive with its password, and give what comes out")
        if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
            raise DocumentError(f"{self} unpacks to over {MAX_RATIO} times its size, as no text does: it is not read")
        try:
            with self._archive.open(info) as file:
                yield file
        except (zipfile.BadZipFile, zlib.error, EOFError, struct.error):
            raise DocumentError(f"{self} is damaged: copy or make the archive again") from None
        except NotImplementedError:
            raise DocumentError(f"{self} is packed in a way that cannot be read: pack it again with the usual settings") from None


@contextmanager
def members(file: BinaryIO, shown: str, failed: Callable[[DocumentError], None]) -> Iterator[list[Member]]:
    """The members of an archive that can be read, by name; what is suspicious about others is handed to ``failed``.

    Raises:
        DocumentError: when it is no archive, is damaged, holds nothing to read, or would unpack to more than ``MAX_TOTAL``.
    """
    count, size = _directory(file, shown)
    if count > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise DocumentError(f"{shown} holds more than {MAX_MEMBERS:,} files: divide it, or unpack it and give the folder")
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise DocumentError(f"{shown} is no zip archive, or a damaged one: copy or make it again") from None
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if len(infos) > MAX_MEMBERS:
            raise DocumentError(f"{shown} holds more than {MAX_MEMBERS:,} files: divide it, or unpack it and give the folder")
        if sum(info.file_size for info in infos) > MAX_TOTAL:
            raise DocumentError(f"{shown} unpacks to more than {MAX_TOTAL // 1024**3} GB: unpack it and give the folder")
        found: dict[str, Member] = {}
        problem = False
        for info in sorted(infos, key=lambda info: info.filename):
            inside = _printable(info.filename)
            name = f"{shown}/{inside}"
            # What a Mac packs beside every file.
            if inside.startswith("__MACOSX/"):
                continue
            if inside.lower().endswith(ARCHIVES):
                error = f"{name} is an archive within an archive: unpack it and give what comes out"
            elif not inside.lower().endswith(EVERY):
                continue
            elif ".." in inside.split("/") or inside.startswith("/") or inside[1:2] == ":":
                error = f"{name} has a name that leads out of its archive: it is not read"
            elif name in found:
                error = f"{name} is in the archive twice: the first is read"
            else:
                found[name] = Member(name, info.compress_size, archive, info)
                continue
            problem = True
            failed(DocumentError(error))
        if not found and not problem:
            raise DocumentError(f"{shown} holds no document: {listed(EVERY)} files are read")
        yield list(found.values())


def _printable(name: str) -> str:
    """A member's name without what could move the cursor of a terminal, and with ``/`` alone between its folders."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name).replace("\\", "/")


def _directory(file: BinaryIO, shown: str) -> tuple[int, int]:
    """Entries and bytes of an archive's directory, by its last record, before any of it is read into memory."""
    file.seek(0, 2)
    end = file.tell()
    file.seek(max(0, end - 65557))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) < at + 22:
        raise DocumentError(f"{shown} is no zip archive, or a damaged one: copy or make it again")
    count, size = struct.unpack("<HI", tail[at + 10 : at + 16])
    locator = tail[max(0, at - 20) : at]
    if len(locator) == 20 and locator.startswith(b"PK\6\7"):
        file.seek(min(end, struct.unpack("<Q", locator[8:16])[0]))
        record = file.read(56)
        if len(record) == 56 and record.startswith(b"PK\6\6"):
            count, size = struct.unpack("<QQ", record[32:48])
    file.seek(0)
    return cast("tuple[int, int]", (count, size))
