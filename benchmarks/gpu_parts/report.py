"""The GPU command's table: a row a case, ours beside torchvision in the same run."""

import dataclasses

import numpy as np

HEADS = {"inference": ("network", "detect"), "training": ("step",)}


def rate(case, numbers, what):
    """Images a second, or None."""
    if what not in numbers:
        return None
    return case.batch / float(np.median(numbers[what]))


def cell(case, numbers, what):
    """Images a second with their spread, or why there are none."""
    if numbers is None:
        return "not asked"
    if "error" in numbers:
        return numbers["error"]
    rates = case.batch / np.asarray(numbers[what])
    return f"{np.median(rates):.4g} ({rates.min():.4g} to {rates.max():.4g})"


def peak(numbers):
    """GiB, or nothing."""
    if not numbers or not numbers.get("peak"):
        return ""
    return f"{numbers['peak'] / 2**30:.2f}"


def lines_of(found, frameworks, mode):
    """The table of one mode as lines."""
    others = [name for name in frameworks if name != "torchvision"]
    rows = {}
    for case, numbers in found.items():
        if case.mode == mode:
            rows.setdefault(case.row, {})[case.framework] = case, numbers
    heads = [f"{name} {unit}" for name in frameworks for unit in ("images/s", "GiB")]
    heads += [f"{name} / torchvision" for name in others if "torchvision" in frameworks]
    lines = [f"| {mode} | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for (_, height, width, batch, precision), by_name in rows.items():
        for what in HEADS[mode]:
            cells = [f"{what}, {height}x{width}, batch {batch}, {precision}"]
            rates = {}
            for name in frameworks:
                case, numbers = by_name.get(name, (None, None))
                cells += [cell(case, numbers, what), peak(numbers)]
                rates[name] = rate(case, numbers, what) if numbers else None
            if "torchvision" in frameworks:
                base = rates["torchvision"]
                cells += [f"{rates[name] / base:.2f}" if base and rates[name] else ""
                          for name in others]
            lines.append(f"| {' | '.join(cells)} |")
    return lines if rows else []


def check_lines(checks):
    """The self checks as lines."""
    lines = []
    for (framework, precision), one in checks.items():
        if "error" in one:
            lines.append(f"- {framework}, {precision}: {one['error']}")
            continue
        verdict = {True: "right", False: "WRONG", None: "told only"}[one["ok"]]
        lines.append(f"- {framework}, {precision} beside float32 on the processor: {verdict}; "
                     f"scores apart by {one['scores']:.2g}, deltas by {one['deltas']:.2g}, "
                     f"{one['found']:.0%} of the detections found again")
    return lines


def text(run):
    """Markdown of a whole run.

    Args:
        run: dict of "devices" {framework: text}, "frameworks", "checks", "found" {Case: numbers},
            "missing" {framework: why}, "minutes".
    """
    lines = ["# On one device: ours beside torchvision", ""]
    lines += [f"- {name}: {device}" for name, device in run["devices"].items()]
    lines += [f"- {name}: not run, {why}" for name, why in run["missing"].items()]
    lines += ["", "Images a second from host to host, median (least to most); peak memory that "
              "the framework had allocated. `network`: molded images in, boxes and small masks "
              "out. `detect`: uint8 images in, whole masks out. Both sides have the same numbers "
              "of proposals, rois and detections, frozen batch-norm statistics, and train all "
              f"layers. The run took {run['minutes']:.1f} minutes.", ""]
    for mode in HEADS:
        lines += [*lines_of(run["found"], run["frameworks"], mode), ""]
    return "\n".join([*lines, "Self check:", "", *check_lines(run["checks"]), ""])


def as_json(run):
    """The same as plain lists and dicts."""
    return {
        **{key: run[key] for key in ("devices", "frameworks", "missing", "minutes")},
        "checks": [{"framework": framework, "precision": precision, **one}
                   for (framework, precision), one in run["checks"].items()],
        "cases": [{**dataclasses.asdict(case), **numbers}
                  for case, numbers in run["found"].items()],
    }
