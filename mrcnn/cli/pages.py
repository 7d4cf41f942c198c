"""How a Report looks on a terminal, in colour and in tables; piped, it is its plain text."""

import sys

import click

from mrcnn.data.check.report import MOST_CLASSES, headline, printable, statistics_rows


def show(report):
    """Prints a report to stdout."""
    if not sys.stdout.isatty():
        click.echo(str(report).encode(sys.stdout.encoding or "utf-8", "replace"))
        return
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False, markup=False, emoji=False)
    colour = "green" if report.clean else "red"
    console.print(printable(f"{report.title}: {report.verdict()}"), style=f"bold {colour}")
    groups = report.groups()
    if len(groups) > 1:
        console.print(_kinds(groups))
    for kind, meaning, findings in groups:
        heading, *lines = report.group_lines(kind, meaning, findings)
        if len(groups) > 1:  # the table has said what it means
            heading = heading.partition(":")[0]
        console.print(f"\n{heading}", style=_style(findings))
        for line in lines:
            console.print(Padding(line.strip(), (0, 0, 0, 2), expand=False))
    if report.statistics is not None:
        console.print(f"\n{headline(report.statistics)}", style="bold")
        console.print(_rows(statistics_rows(report.statistics)))
        console.print(_classes(report.statistics["classes"]))


def _rows(rows):
    """Names and texts, side by side."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(f"  {name}", text)
    return table


def _style(findings):
    return "bold red" if findings[0].is_error else "bold yellow"


def _kinds(groups):
    """A table with a row for each kind of finding."""
    from rich.table import Table

    table = Table("finding", "what it is")
    table.add_column("count", justify="right")
    for kind, meaning, findings in groups:
        table.add_row(kind, meaning, str(len(findings)), style=_style(findings).split()[1])
    return table


def _classes(classes):
    """A table with a row for each class, the most frequent first."""
    from rich.table import Table

    table = Table("class")
    for name in ("objects", "crowds", "images"):
        table.add_column(name, justify="right")
    ordered = sorted(classes, key=lambda row: -row["instances"])
    for row in ordered[:MOST_CLASSES]:
        table.add_row(printable(row["name"]), *(str(row[name]) for name in
                                                ("instances", "crowds", "images")))
    if len(ordered) > MOST_CLASSES:
        table.add_row(f"... and {len(ordered) - MOST_CLASSES} more")
    return table
