"""`mrcnn check`: is this data set fit for training?"""

import json
import sys
from pathlib import Path

import click

from mrcnn.cli.doors import STOPPED
from mrcnn.cli.options import data_options, reader_options

EPILOG = """\b
Examples:
  mrcnn check data/balloon               each subset, format recognised
  mrcnn check data/balloon/train         one folder
  mrcnn check labels.json --images jpg   annotations apart from the images
  mrcnn check data --subset val --json report.json
  mrcnn check data --json - | jq .faulty_images

\b
Exit code:
  0  clean        1  faults, or warnings with --strict
  2  it cannot be read at all, or the command line is wrong
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@click.argument("path", type=click.Path(exists=True))
@data_options
@click.option("--json", "json_path", metavar="FILE",
              help="Write the whole report as JSON; - writes it to the screen in place of text.")
@click.option("--strict", is_flag=True, help="Warnings count as faults in the exit code.")
@click.option("--limit", type=click.IntRange(min=0), default=5, show_default=True, metavar="N",
              help="Findings listed of each kind. The JSON has all of them.")
@click.option("--image-size", type=click.IntRange(min=64), metavar="N",
              help="Side of the images in the network (IMAGE_MAX_DIM), for the statistics.")
@click.option("--channels", type=click.IntRange(min=1), metavar="N",
              help="Channels that the images must have (IMAGE_CHANNEL_COUNT). Otherwise any.")
@click.option("--max-workers", type=click.IntRange(min=1), metavar="N",
              help="Threads. Otherwise as the machine has cores.")
@click.option("--no-cache", is_flag=True, help="Look at everything again.")
def check(path, format_, images, subset, json_path, strict, limit, image_size, channels,
          max_workers, no_cache, **readers):
    """Looks a data set over: PATH is a folder or an annotation file.

    Every image is decoded and every mask drawn. What would disturb a training is listed with
    file and region: missing, damaged and misnamed images, sizes that disagree, empty boxes,
    outlines without area, unknown classes, double ids. Below it come the statistics, with the
    anchors that suit the objects.
    """
    options = reader_options(**readers)
    _check_json_path(json_path)
    try:
        settings = {"max_workers": max_workers, "cache": not no_cache, "images": images,
                    "format": format_, "config": _config(image_size, channels), **options}
        reports = _reports(path, format_, images, subset, settings, limit, json_path != "-")
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
        sys.exit(STOPPED)
    except ValueError as error:  # an unknown format, or an option that it has not
        raise click.UsageError(str(error)) from error
    if json_path is not None:
        _write_json(reports, json_path)
    sys.exit(max(_exit_code(report, strict) for report in reports.values()))


def _config(image_size, channels):
    """The default Config with another image size or other channels; None where none are asked."""
    if image_size is None and channels is None:
        return None
    from mrcnn.config import Config

    knobs = {} if channels is None else {"IMAGE_CHANNEL_COUNT": channels}
    if image_size is not None:
        knobs.update(IMAGE_MIN_DIM=image_size, IMAGE_MAX_DIM=image_size)
    return type("CheckConfig", (Config,), knobs)()  # a ValueError where a knob cannot be so


def _reports(path, format_, images, subset, settings, limit, is_shown):
    """Checks each subset in turn and prints its report: {subset or None: Report}."""
    from mrcnn.cli.pages import show
    from mrcnn.data.check.checking import check_dataset
    from mrcnn.data.check.progress import progress_bar

    reports = {}
    for name in [subset] if subset else _subsets(path, format_, images):
        with progress_bar(f"checking {name or Path(path).name}") as progress:
            report = check_dataset(path, subset=name, progress=progress, **settings)
        report.title += f" ({name})" if name else ""
        report.shown = limit
        if is_shown:
            if reports:
                click.echo()
            show(report)
        reports[name] = report
    return reports


def _subsets(path, format_, images):
    """Names of the parts to check one by one; [None] for all at once."""
    from mrcnn.data.dataset import DataError
    from mrcnn.data.formats.detect import detect_format, subsets_of

    try:
        if (format_ if format_ != "auto" else detect_format(path)) == "voc":
            return [None]  # its lists overlap: train, val and trainval
        return subsets_of(path, format_, images) or [None]
    except (DataError, OSError):
        return [None]  # the check will say it


def _write_json(reports, path):
    """One report as it is, several under their names."""
    dicts = {name or "all": report.as_dict() for name, report in reports.items()}
    whole = next(iter(dicts.values())) if len(dicts) == 1 else {
        "clean": all(report.clean for report in reports.values()), "subsets": dicts}
    text = json.dumps(whole, indent=2)
    if path == "-":
        click.echo(text)
        return
    try:
        if _is_stream(path):
            Path(path).write_text(text + "\n", encoding="utf-8")
            return
        from mrcnn._atomic import atomic_path

        with atomic_path(path) as unfinished:
            unfinished.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {path}: {error.strerror}") from error


def _check_json_path(path):
    """A UsageError for a file that must stay as it is, or cannot be written, before the work."""
    if path in (None, "-") or _is_stream(path):
        return
    from mrcnn._atomic import make_writable

    if Path(path).is_dir():
        raise click.UsageError(f"cannot write {path}: it is a folder")
    if Path(path).is_file() and not _is_report(path):
        raise click.UsageError(f"{path} is there already and no report of mrcnn check; "
                               "name another file")
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise click.UsageError(f"cannot write {path}: there is no folder {folder}")
    try:
        make_writable(folder)
    except OSError as error:
        raise click.UsageError(str(error)) from error


def _is_stream(path):
    """Whether a path is no file in a folder: /dev/stdout, a pipe."""
    there = Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()
    return there or Path(path).absolute().parts[1:2] in (("dev",), ("proc",))


def _is_report(path):
    """Whether a file is a report of an earlier check, which a new one may replace."""
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and "clean" in report


def _exit_code(report, strict):
    return report.exit_code or int(strict and bool(report.warnings))
