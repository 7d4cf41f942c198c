"""Report: what a check found, for people, for JSON and for a shell's exit code."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mrcnn._text import counted
from mrcnn.data.findings import ERRORS, WARNINGS, Finding

SHOWN = 5  # findings of one kind that the text lists
MOST_CLASSES = 20  # rows of the table of classes
CLEAN, FAULTS, UNREADABLE = 0, 1, 2  # exit codes


@dataclass
class Report:
    """The outcome of `check_dataset`.

    Attributes:
        title: how the set is called: its path as a rule.
        findings: list of Finding, errors and warnings.
        statistics: dict of plain types; None where the set could not be read at all.
        root: folder that file names are shown relative to; None shows them whole.
        shown: findings of one kind that `str()` lists.
    """

    title: str
    findings: list = field(default_factory=list)
    statistics: dict | None = None
    root: str | None = None
    shown: int = SHOWN

    @property
    def errors(self):
        """The findings that make a set unfit for training."""
        return [finding for finding in self.findings if finding.is_error]

    @property
    def warnings(self):
        """The others."""
        return [finding for finding in self.findings if not finding.is_error]

    @property
    def clean(self):
        """True without an error; warnings do not count."""
        return not self.errors

    @property
    def faulty_images(self):
        """Sorted ids of the images that have an error."""
        return sorted({finding.image for finding in self.errors} - {None})

    @property
    def exit_code(self):
        """0: clean. 1: it has faults. 2: it could not be read at all."""
        if self.statistics is None:
            return UNREADABLE
        return CLEAN if self.clean else FAULTS

    def as_dict(self):
        """Everything in plain types, ready for JSON."""
        return {
            "dataset": self.title, "root": self.root, "clean": self.clean,
            "errors": len(self.errors), "warnings": len(self.warnings),
            "faulty_images": self.faulty_images,
            "findings": [finding.as_dict() for finding in self.findings],
            "statistics": self.statistics,
        }

    @classmethod
    def from_dict(cls, values):
        """The inverse of `as_dict`."""
        findings = [Finding(**{key: value for key, value in entry.items() if key != "severity"})
                    for entry in values["findings"]]
        return cls(values["dataset"], findings, values["statistics"], values["root"])

    def save_json(self, path):
        """Writes `as_dict()` to a file."""
        text = json.dumps(self.as_dict(), indent=2)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def groups(self):
        """[(kind, what it means, its findings)], errors first, in the order of ERRORS."""
        found = {}
        for finding in self.findings:
            found.setdefault(finding.kind, []).append(finding)
        return [(kind, meaning, found[kind]) for kind, meaning in {**ERRORS, **WARNINGS}.items()
                if kind in found]

    def place(self, finding):
        """File and region of a finding, the file relative to `root`; "" for the root itself."""
        file = finding.file
        if self.root and file.startswith(self.root):
            file = file[len(self.root):].lstrip("/\\")
        return printable(", ".join(part for part in (file, finding.region) if part))

    def verdict(self):
        """One line: clean or not, and how much was found."""
        if self.statistics is None:
            return "cannot be read"
        found = [counted(len(self.errors), "error"), counted(len(self.warnings), "warning")]
        if self.clean:
            return "clean" + (f", {found[1]}" if self.warnings else "")
        return f"not clean: {found[0]} in {counted(len(self.faulty_images), 'image')}, {found[1]}"

    def __str__(self):
        return self.text()

    def text(self, with_statistics=True):
        """A plain text for people: verdict, findings by kind, statistics."""
        lines = [f"{self.title}: {self.verdict()}"]
        for kind, meaning, findings in self.groups():
            lines += ["", *self.group_lines(kind, meaning, findings)]
        if with_statistics and self.statistics is not None:
            lines += ["", *statistics_lines(self.statistics)]
        return "\n".join(lines)

    def group_lines(self, kind, meaning, findings):
        """Lines about the findings of one kind: a heading and the first few places."""
        severity = "error" if findings[0].is_error else "warning"
        lines = [f"{severity} {kind} ({len(findings)}): {meaning}"]
        lines += ["  " + ": ".join(filter(None, (self.place(one), printable(one.message))))
                  for one in findings[:self.shown]]
        if len(findings) > self.shown:
            lines.append(f"  ... and {len(findings) - self.shown} more")
        return lines

    def brief(self):
        """The warnings in one line each, for those who are about to train."""
        found = Counter(finding.kind for finding in self.warnings)
        first = {finding.kind: finding for finding in reversed(self.warnings)}
        return [f"{kind} ({count}): " + printable(": ".join(
                    filter(None, (first[kind].region, first[kind].message))))
                + (" ..." if count > 1 else "") for kind, count in found.items()]


def printable(text):
    """Text from a data set as it may go to a terminal: no control characters, nothing broken."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
                   for c in text)


def statistics_lines(statistics):
    """The statistics as lines of text."""
    lines = [f"  {name:<20} {text}" for name, text in statistics_rows(statistics)]
    return [headline(statistics), *lines, *class_lines(statistics["classes"])]


def headline(statistics):
    """How many images and objects there are."""
    numbers = [counted(statistics["images"], "image"), counted(statistics["instances"], "object"),
               counted(statistics["crowds"], "crowd")]
    empty = counted(statistics["images_without_objects"], "image")
    return ", ".join(numbers) + f"; {empty} without objects"


def statistics_rows(statistics):
    """[(name, text)] on sizes and anchors."""
    return [*_size_rows(statistics), *anchor_rows(statistics["anchors"])]


def class_lines(classes):
    """A line for each class, the most frequent first."""
    if not classes:
        return []
    ordered = sorted(classes, key=lambda row: -row["instances"])
    width = min(30, max(len(row["name"]) for row in classes))
    head = f"  {'class':<{width}} {'objects':>8} {'crowds':>7} {'images':>7}"
    lines = [f"  {printable(row['name'])[:width]:<{width}} {row['instances']:>8} "
             f"{row['crowds']:>7} {row['images']:>7}" for row in ordered[:MOST_CLASSES]]
    if len(ordered) > MOST_CLASSES:
        lines.append(f"  ... and {len(ordered) - MOST_CLASSES} more classes")
    return [head, *lines]


def _size_rows(statistics):
    """[(name, text)] on images and objects."""
    images, objects = statistics["image_sizes"], statistics["object_sizes"]
    counts = statistics["instances_per_image"]
    rows = []
    if images["distinct"]:
        (low_h, high_h), (low_w, high_w) = images["height"], images["width"]
        rows.append(("image sizes", f"{low_w}-{high_w} wide, {low_h}-{high_h} high "
                                    f"({images['distinct']} different)"))
        rows.append(("width / height", ", ".join(
            f"{name}: {count}" for name, count in images["aspect_ratios"].items() if count)))
    above = ""
    if counts["images_above"]:
        above = (f"; {counted(counts['images_above'], 'image')} above "
                 f"MAX_GT_INSTANCES = {counts['MAX_GT_INSTANCES']}")
    rows.append(("objects an image", f"{counts['mean']:g} on average, {counts['max']} at most"
                 + above))
    rows.append(("object sizes", f"{objects['small']} small (below 32 x 32 px), "
                                 f"{objects['medium']} medium, {objects['large']} large"))
    sides = objects["network_side_percentiles"]
    if sides:
        at = f" (IMAGE_MAX_DIM = {side})" if (side := statistics["network_side"]) else ""
        rows.append(("in the network", f"half of them are {sides['25']:g} to {sides['75']:g} px "
                     f"long, nine in ten {sides['5']:g} to {sides['95']:g} px{at}"))
    return rows


def anchor_rows(advice):
    """[(name, text)] on how well anchors fit, and better ones where there are."""
    if advice is None:
        return []
    rows = [("anchors now", _recall(advice["current"]))]
    if advice["keep"]:
        return [*rows, ("anchor advice", "keep these anchors")]
    fitted = f" (fitted to these {advice['objects']} objects)"
    return [*rows, ("anchors advised", _recall(advice["advised"]) + fitted),
            ("", f"RPN_ANCHOR_SCALES = {tuple(advice['RPN_ANCHOR_SCALES'])}"),
            ("", f"RPN_ANCHOR_RATIOS = {advice['RPN_ANCHOR_RATIOS']}")]


def _recall(figures):
    return (f"reach {figures['recall_50']:.1%} of objects at IoU 0.5, "
            f"{figures['recall_70']:.1%} at IoU 0.7")
