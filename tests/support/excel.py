"""Sheets of Excel that openpyxl cannot write."""

from __future__ import annotations

import io
import re
from zipfile import ZipFile

SHEET = "xl/worksheets/sheet1.xml"


def with_empty_text(workbook: bytes, cell: str) -> bytes:
    """Give a cell a formula whose saved result is an empty text, as Excel writes it."""
    formula = f'<c r="{cell}" t="str"><f>IF(A2="","","")</f><v></v></c>'
    pattern = rf'<c r="{cell}"[^>]*?(/>|>.*?</c>)'
    patched = io.BytesIO()
    with ZipFile(io.BytesIO(workbook)) as archive, ZipFile(patched, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name == SHEET:
                sheet, count = re.subn(pattern, formula, content.decode())
                assert count == 1
                content = sheet.encode()
            copy.writestr(name, content)
    return patched.getvalue()
