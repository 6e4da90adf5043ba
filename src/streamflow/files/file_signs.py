"""Recognize a file that is not the text that its catalog declares, by its first bytes."""

from __future__ import annotations

import codecs
from pathlib import Path
from zipfile import ZipFile

from streamflow.catalog import Catalog, FileFormat, kind_of
from streamflow.catalog.file_kinds import COMPRESSED_CSV
from streamflow.files.zip_errors import ZIP_ERRORS

SAMPLE_BYTES = 4096
NUL_SHARE = 0.3  # of UTF-16 in a Latin alphabet, every second byte is NUL
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # also the mark of an .xlsx file with a password
UTF8_NAMES = ("utf-8", "utf-8-sig")


def describe_signs(path: Path, table: str, catalog: Catalog) -> str:
    """Return what a text file looks like instead, and what reads it; an empty text: it is text.

    A compressed file was unpacked once already, so its first bytes are right.
    """
    if kind_of(path.name) == COMPRESSED_CSV:
        return ""
    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    kind = _describe_archive(path, catalog.section(table), sample)
    return kind or _describe_encoding(table, sample, catalog.file_format(table))


def _describe_archive(path: Path, section: str, sample: bytes) -> str:
    """Return what file of a different kind the bytes begin."""
    stem = path.name.split(".")[0]
    if sample.startswith(b"PK\x03\x04"):
        return _describe_zip(path, section)
    if sample.startswith(b"\x1f\x8b"):
        return f"a file compressed by gzip ({_name_file(section, f'{stem}.csv.gz')})"
    if sample.startswith(b"PAR1"):
        return f"a Parquet file ({_name_file(section, f'{stem}.parquet')})"
    if sample.startswith(OLD_EXCEL):
        return "an old Excel file, or one with a password (save it as .xlsx without a password)"
    return ""


def _describe_zip(path: Path, section: str) -> str:
    """Return what an archive is: Excel's files are archives, too."""
    try:
        with ZipFile(path) as archive:
            is_excel = any(name.startswith("xl/") for name in archive.namelist())
    except ZIP_ERRORS:
        return "an Excel file or a zip archive, and it is damaged (fetch it again)"
    if is_excel:
        stem = path.name.split(".")[0]
        return f"an Excel file ({_name_file(section, f'{stem}.xlsx')})"
    return "a zip archive (unpack it)"


def _name_file(section: str, name: str) -> str:
    return f'name the file {name}, and declare file = "{name}" in [{section}]'


def _describe_encoding(table: str, sample: bytes, file_format: FileFormat) -> str:
    """Return which encoding the bytes look like, if it is not the declared one."""
    is_utf16 = file_format.encoding.startswith("utf-16")
    nul_share = sample.count(0) / max(len(sample), 1)
    encoding = ""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not is_utf16:
        encoding = "utf-16"
    elif nul_share > NUL_SHARE and not is_utf16:
        encoding = "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    elif sample.startswith(codecs.BOM_UTF8) and file_format.encoding not in UTF8_NAMES:
        encoding = "utf-8-sig"
    if not encoding:
        return ""
    return f'text in {encoding} (declare encoding = "{encoding}" in [files.{table}])'
