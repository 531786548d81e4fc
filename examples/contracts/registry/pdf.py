"""Renders a contract as a PDF of several pages with reportlab.

This is honest work for a CPU: justified text, long tables, a chart, and a table
of contents, for which the document is laid out until its page numbers settle.
"""

import datetime as dt
import io
from decimal import ROUND_HALF_UP, Decimal

from django.utils.formats import date_format
from django.utils.html import escape
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.enums import TA_JUSTIFY, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

from registry.clauses import CHECKS, CLAUSES, SERVICE_LEVELS
from registry.models import Contract

SUPPLIER = "Harbourline Services Ltd"
SUPPLIER_ADDRESS = "12 Customs House Quay, Cork, Ireland"

_INK = colors.HexColor("#1c2430")
_SOFT = colors.HexColor("#5d6878")
_LINE = colors.HexColor("#d5dae2")
_TINT = colors.HexColor("#f3f5f9")
_ACCENT = colors.HexColor("#3457d5")

_BODY = ParagraphStyle(
    "body",
    fontName="Times-Roman",
    fontSize=10,
    leading=13.6,
    alignment=TA_JUSTIFY,
    textColor=_INK,
    spaceAfter=5,
)
_HEADING = ParagraphStyle(
    "heading",
    fontName="Helvetica-Bold",
    fontSize=12,
    leading=16,
    textColor=_INK,
    spaceBefore=10,
    spaceAfter=5,
    keepWithNext=True,
)
_TITLE = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=24, leading=29, textColor=_INK)
_NOTE = ParagraphStyle("note", fontName="Helvetica", fontSize=9, leading=12.5, textColor=_SOFT)
_CELL = ParagraphStyle("cell", fontName="Helvetica", fontSize=8, leading=10.4, textColor=_INK)
_NUMBER = ParagraphStyle("number", parent=_CELL, alignment=TA_RIGHT)
_COLUMN = ParagraphStyle("column", parent=_CELL, fontName="Helvetica-Bold")
_COLUMN_RIGHT = ParagraphStyle("column-right", parent=_COLUMN, alignment=TA_RIGHT)

_GRID = TableStyle(
    [
        ("BACKGROUND", (0, 0), (-1, 0), _TINT),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("LINEABOVE", (0, 0), (-1, 0), 0.8, _INK),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 3.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
)


def render(contract: Contract, url: str) -> bytes:
    """The contract as PDF; ``url``, where it is kept, goes into its QR code."""
    out = io.BytesIO()
    _Document(out, contract).multiBuild(_story(contract, url), canvasmaker=_NumberedCanvas)
    return out.getvalue()


class _NumberedCanvas(Canvas):
    """Holds pages back until their number is known: page x of y."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab calls it
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for page in self._pages:
            self.__dict__.update(page)
            self.setFont("Helvetica", 8)
            self.setFillColor(_SOFT)
            self.drawRightString(
                A4[0] - 22 * mm,
                12 * mm,
                f"Page {self._pageNumber} of {len(self._pages)}",
            )
            super().showPage()
        super().save()


class _Document(BaseDocTemplate):
    def __init__(self, out: io.BytesIO, contract: Contract) -> None:
        super().__init__(
            out,
            pagesize=A4,
            title=str(contract),
            author=SUPPLIER,
            subject=f"Agreement with {contract.customer}",
        )
        self._contract = contract
        frame = Frame(22 * mm, 20 * mm, A4[0] - 44 * mm, A4[1] - 44 * mm, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate("page", [frame], onPage=self._furniture))

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - reportlab calls it
        if isinstance(flowable, Paragraph) and flowable.style is _HEADING:
            text = flowable.getPlainText()
            key = f"heading-{self.seq.nextf('heading')}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(text, key)
            self.notify("TOCEntry", (0, text, self.page, key))

    def _furniture(self, canvas: Canvas, _doc: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(_SOFT)
        canvas.drawString(22 * mm, A4[1] - 14 * mm, SUPPLIER)
        canvas.drawRightString(A4[0] - 22 * mm, A4[1] - 14 * mm, self._contract.number)
        canvas.drawString(22 * mm, 12 * mm, self._contract.title)
        canvas.setStrokeColor(_LINE)
        canvas.line(22 * mm, A4[1] - 16.5 * mm, A4[0] - 22 * mm, A4[1] - 16.5 * mm)
        canvas.line(22 * mm, 16 * mm, A4[0] - 22 * mm, 16 * mm)
        canvas.restoreState()


def _story(contract: Contract, url: str) -> list[Flowable]:
    months = _months(contract.starts_on, contract.ends_on)
    payments = _payments(contract.value, len(months))
    items = list(contract.items.all())
    return [
        *_cover(contract, url),
        *_clauses(contract),
        PageBreak(),
        Paragraph("Schedule 1: prices", _HEADING),
        _price_table(items),
        Paragraph("Schedule 2: payment plan", _HEADING),
        _chart(months, payments),
        _payment_table(months, payments),
        Paragraph("Schedule 3: service levels", _HEADING),
        _level_table(),
        Paragraph("Schedule 4: acceptance record", _HEADING),
        _acceptance_table(items),
        _signatures(contract),
    ]


def _cover(contract: Contract, url: str) -> list[Flowable]:
    customer = contract.customer
    contents = TableOfContents(
        dotsMinLevel=0,
        levelStyles=[ParagraphStyle("toc", parent=_NOTE, leading=15, textColor=_INK)],
    )
    parties = Table(
        [
            [Paragraph("Supplier", _COLUMN), Paragraph("Customer", _COLUMN)],
            [
                Paragraph(f"{SUPPLIER}<br/>{SUPPLIER_ADDRESS}", _CELL),
                Paragraph(
                    "<br/>".join(
                        escape(part)
                        for part in (
                            customer.name,
                            f"{customer.street}, {customer.city}, {customer.country}",
                            customer.email,
                        )
                    ),
                    _CELL,
                ),
            ],
        ],
        colWidths=["50%", "50%"],
        style=_GRID,
    )
    code = Drawing(30 * mm, 30 * mm)
    code.add(QrCodeWidget(url, barWidth=30 * mm, barHeight=30 * mm, barBorder=0))
    term = (
        f"Number {contract.number}<br/>"
        f"Term {_date(contract.starts_on)} to {_date(contract.ends_on)}<br/>"
        f"Total value EUR {_money(contract.value)}<br/>"
        f"Status {contract.get_status_display().lower()}<br/>"
        f"Contract manager {escape(contract.manager)}"
    )
    return [
        Spacer(0, 10 * mm),
        Paragraph(escape(contract.title), _TITLE),
        Spacer(0, 6 * mm),
        Table(
            [[Paragraph(term, _NOTE), code]],
            colWidths=["78%", "22%"],
            style=[
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (0, 0), 0),
            ],
        ),
        Spacer(0, 6 * mm),
        parties,
        Spacer(0, 8 * mm),
        contents,
        PageBreak(),
    ]


def _clauses(contract: Contract) -> list[Flowable]:
    names = {
        "supplier": escape(SUPPLIER),
        "customer": escape(contract.customer.name),
        "number": contract.number,
        "title": escape(contract.title),
        "manager": escape(contract.manager),
        "start": _date(contract.starts_on),
        "end": _date(contract.ends_on),
        "value": _money(contract.value),
    }
    story: list[Flowable] = []
    for number, (heading, paragraphs) in enumerate(CLAUSES, start=1):
        story.append(Paragraph(f"{number}. {heading}", _HEADING))
        for part, text in enumerate(paragraphs, start=1):
            story.append(Paragraph(f"{number}.{part} {text.format_map(names)}", _BODY))
    return story


def _price_table(items: list) -> Table:
    rows = [
        [
            Paragraph("No.", _COLUMN),
            Paragraph("Description", _COLUMN),
            Paragraph("Quantity", _COLUMN_RIGHT),
            Paragraph("Unit price", _COLUMN_RIGHT),
            Paragraph("EUR", _COLUMN_RIGHT),
        ]
    ]
    for item in items:
        rows.append(
            [
                Paragraph(str(item.position), _CELL),
                Paragraph(escape(item.description), _CELL),
                Paragraph(f"{item.quantity} × {escape(item.unit)}", _NUMBER),
                Paragraph(_money(item.unit_price), _NUMBER),
                Paragraph(_money(item.total), _NUMBER),
            ]
        )
    total = sum((item.total for item in items), Decimal(0))
    rows.append(
        [
            "",
            Paragraph("Total, net", _COLUMN),
            "",
            "",
            Paragraph(_money(total), _COLUMN_RIGHT),
        ]
    )
    widths = ["7%", "48%", "15%", "15%", "15%"]
    return Table(rows, colWidths=widths, style=_GRID, repeatRows=1)


def _chart(months: list[dt.date], payments: list[Decimal]) -> Drawing:
    width = A4[0] - 44 * mm
    drawing = Drawing(width, 52 * mm)
    chart = VerticalBarChart()
    chart.x, chart.y = 16 * mm, 8 * mm
    chart.width, chart.height = width - 18 * mm, 40 * mm
    total = Decimal(0)
    paid = [float(total := total + payment) for payment in payments]
    chart.data = [paid]
    chart.bars[0].fillColor = _ACCENT
    chart.bars.strokeColor = None
    chart.valueAxis.valueMin = 0
    chart.valueAxis.labelTextFormat = lambda value: f"{value:,.0f}"
    chart.valueAxis.labels.fontSize = chart.categoryAxis.labels.fontSize = 7
    chart.valueAxis.visibleGrid = True
    chart.valueAxis.gridStrokeColor = _LINE
    every = max(1, len(months) // 8)
    chart.categoryAxis.categoryNames = [month.strftime("%b %Y") if n % every == 0 else "" for n, month in enumerate(months)]
    drawing.add(chart)
    return drawing


def _payment_table(months: list[dt.date], payments: list[Decimal]) -> Table:
    rows = [
        [
            Paragraph("No.", _COLUMN),
            Paragraph("Invoice date", _COLUMN),
            Paragraph("Service period", _COLUMN),
            Paragraph("EUR", _COLUMN_RIGHT),
            Paragraph("Invoiced so far", _COLUMN_RIGHT),
        ]
    ]
    so_far = Decimal(0)
    for number, (month, payment) in enumerate(zip(months, payments, strict=True), start=1):
        so_far += payment
        rows.append(
            [
                Paragraph(str(number), _CELL),
                Paragraph(_date(month), _CELL),
                Paragraph(month.strftime("%B %Y"), _CELL),
                Paragraph(_money(payment), _NUMBER),
                Paragraph(_money(so_far), _NUMBER),
            ]
        )
    widths = ["7%", "27%", "30%", "18%", "18%"]
    return Table(rows, colWidths=widths, style=_GRID, repeatRows=1)


def _level_table() -> Table:
    head = ("Service", "Measured as", "Target", "If it is missed")
    rows = [[Paragraph(text, _COLUMN) for text in head]]
    rows += [[Paragraph(text, _CELL) for text in level] for level in SERVICE_LEVELS]
    widths = ["18%", "37%", "15%", "30%"]
    return Table(rows, colWidths=widths, style=_GRID, repeatRows=1)


def _acceptance_table(items: list) -> Table:
    head = ("Check", "What has to be seen", "Evidence", "Date, initials")
    rows = [[Paragraph(text, _COLUMN) for text in head]]
    style = list(_GRID.getCommands())
    for item in items:
        style += [
            ("SPAN", (0, len(rows)), (-1, len(rows))),
            ("BACKGROUND", (0, len(rows)), (-1, len(rows)), _TINT),
            ("NOSPLIT", (0, len(rows)), (-1, len(rows) + 1)),
        ]
        title = f"Item {item.position}: {escape(item.description)}"
        rows.append([Paragraph(title, _COLUMN), "", "", ""])
        for check, criterion, evidence in CHECKS:
            cells = (check, criterion, evidence)
            rows.append([*(Paragraph(text, _CELL) for text in cells), ""])
    widths = ["16%", "47%", "20%", "17%"]
    return Table(rows, colWidths=widths, style=style, repeatRows=1)


def _signatures(contract: Contract) -> KeepTogether:
    table = Table(
        [
            ["", "", ""],
            [
                Paragraph(f"For {escape(SUPPLIER)}", _CELL),
                "",
                Paragraph(f"For {escape(contract.customer.name)}", _CELL),
            ],
        ],
        colWidths=["45%", "10%", "45%"],
        rowHeights=[22 * mm, None],
        style=[
            ("LINEABOVE", (0, 1), (0, 1), 0.6, _INK),
            ("LINEABOVE", (2, 1), (2, 1), 0.6, _INK),
        ],
    )
    return KeepTogether([Paragraph("Signatures", _HEADING), table])


def _months(start: dt.date, end: dt.date) -> list[dt.date]:
    """The first day of service, then the first of each month of the term."""
    months = [start]
    year, month = start.year, start.month
    while True:
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        day = dt.date(year, month, 1)
        if day > end:
            return months
        months.append(day)


def _payments(value: Decimal, count: int) -> list[Decimal]:
    """Equal payments; the last one takes what rounding left over."""
    cent = Decimal("0.01")
    each = (value / count).quantize(cent, rounding=ROUND_HALF_UP)
    return [each] * (count - 1) + [value - each * (count - 1)]


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _date(day: dt.date) -> str:
    return date_format(day, "j F Y")
