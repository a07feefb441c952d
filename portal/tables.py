"""Lists as files: CSV and Excel in which no cell is a formula, whatever somebody typed into a name or a remark.

A program that opens `=HYPERLINK(...)` from a list runs it on the desk of whoever asked for the list (CWE-1236). Texts
stay texts here; numbers, dates and truths are written as such, so that they can be summed and sorted.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from portal.formats import OFFICE_ZONE, office_date, office_time

# What a spreadsheet program takes for the beginning of a formula, the wide forms of East Asian keyboards included, and
# the characters it drops before it looks.
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
LONGEST_CELL = 32_767   # characters, Excel's own limit
EXCEL_READS_UTF8 = "\ufeff"
INDIAN_GROUPS = r"[>=10000000]##\,##\,##\,##0.00;[>=100000]##\,##\,##0.00;##,##0.00"
NARROWEST, WIDEST = 10, 50   # characters


def csv_lines(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of a CSV file one by one, the headings first, so that a long list needs no memory.

    UTF-8 with the mark that Excel needs; line ends as RFC 4180 has them. A text that could be a formula gets an
    apostrophe in front, as CSV has no types (OWASP, CSV Injection).
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(EXCEL_READS_UTF8)
    for row in _with_headings(headings, rows):
        writer.writerow([_as_csv(value) for value in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def write_workbook(target: IO[bytes], sheets: Iterable[tuple[str, Sequence[str], Iterable[Sequence[Any]]]]) -> None:
    """Writes an Excel file of (title, headings, rows) for each sheet to `target`.

    Rows are written as they come. It keeps a processor busy (some 20,000 cells a second): a page has two thousand
    rows at most, more are for a task.
    """
    workbook = Workbook(write_only=True)
    for title, headings, rows in sheets:
        sheet = workbook.create_sheet(title[:31])
        sheet.freeze_panes = "A2"
        for number, heading in enumerate(headings, start=1):
            width = min(max(len(heading) + 4, NARROWEST), WIDEST)
            sheet.column_dimensions[get_column_letter(number)].width = width
        sheet.append([_heading(sheet, heading) for heading in headings])
        for row in rows:
            sheet.append([_as_cell(sheet, value) for value in row])
    workbook.save(target)


def guarded(text: str) -> str:
    """The text as a CSV cell that no spreadsheet program takes for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(BEGINS_A_FORMULA) else text


def _with_headings(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    yield headings
    yield from rows


def _as_csv(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return office_time(value)
    if isinstance(value, date):
        return office_date(value)
    return guarded(str(value))


def _heading(sheet: Any, text: str) -> Any:
    cell = _as_cell(sheet, text)
    cell.font = Font(bold=True)
    return cell


def _as_cell(sheet: Any, value: Any) -> Any:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, datetime):
        local = value if value.tzinfo else value.replace(tzinfo=UTC)
        cell = WriteOnlyCell(sheet, local.astimezone(OFFICE_ZONE).replace(tzinfo=None))
        cell.number_format = "dd/mm/yyyy hh:mm"
    elif isinstance(value, date):
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = "dd/mm/yyyy"
    elif isinstance(value, int | float | Decimal) or value is None:
        cell = WriteOnlyCell(sheet, value)
        if isinstance(value, Decimal):
            cell.number_format = INDIAN_GROUPS
    else:
        text = ILLEGAL_CHARACTERS_RE.sub("", str(value))[:LONGEST_CELL]
        cell = WriteOnlyCell(sheet, text)
        # openpyxl takes a text that begins with "=" for a formula, and "#N/A" for an error.
        cell.data_type = "s"
        cell.quotePrefix = text.lstrip(" ").startswith(BEGINS_A_FORMULA)
    return cell
