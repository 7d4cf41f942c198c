"""The command line of the samples, checked before anything large is loaded."""

import argparse
import os
import sys

from mrcnn.commands.samples.pictures import images_of
from mrcnn.data.image_files import read_image_size
from mrcnn.engine.run_folders import find_last_checkpoint
from mrcnn.media.video_reader import VideoReader
from mrcnn.presets import parts

STARTS = ("coco", "imagenet", "none")  # weights that are not trained for the sample


def parse(sample, argv=None):
    """The arguments of a sample; prints what is wrong and exits with code 2 on a mistake.

    Args:
        sample: commands.Sample.
        argv: list of texts; None for those of the process.

    Returns:
        Namespace with "command", and None for everything that was not given.
    """
    parser = parser_of(sample)
    args = parser.parse_args(argv)
    try:
        args.command = chosen_command(sample, args)
        check(sample, args)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return args


def parser_of(sample):
    """The ArgumentParser of a sample; `--help` opens with the docstring of its script."""
    parser = argparse.ArgumentParser(
        description=getattr(sys.modules.get(type(sample).__module__), "__doc__", None),
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    names = [*sample.commands, *(["test"] if "evaluate" in sample.commands else [])]
    parser.set_defaults(dataset=None, subset=None, small=False, year=None, download=None)
    add = parser.add_argument
    add("command", nargs="?", choices=names, metavar="command", help=", ".join(sample.commands))
    add("--command", dest="named_command", choices=names, metavar="COMMAND",
        help="the same, by name; test is evaluate")
    if sample.subsets:
        add("--dataset", metavar="DIR", help="folder of the data set")
        add("--subset", help=f"one of {', '.join(sample.subsets)}")
    add("--weights", "--model", metavar="WEIGHTS",
        help="a weights file; last, the newest under --logs; to train also coco, imagenet, or "
             "none for random numbers")
    add("--logs", default="logs", metavar="DIR", help="logs and checkpoints (default: logs)")
    add("--image", metavar="FILE", help="image, or folder of images, to detect in or to splash")
    add("--video", metavar="FILE", help="video to detect in or to splash")
    add("--output", metavar="PATH", help="where detect writes to")
    default = f" (default: {sample.limit})" if sample.limit else ""
    add(*sample.limit_names, type=positive, metavar="N", dest="limit",
        help=f"number of images to evaluate or to detect in{default}")
    add("--epochs", type=positive, metavar="N", help="train up to this epoch")
    add("--steps", type=positive, metavar="N", help="steps an epoch")
    add("--preset", type=preset_name, metavar="NAME",
        help="settings of a school: matterport, paper or torchvision")
    if sample.small_config:
        add("--small", action="store_true", help="small images and a light network")
    if sample.years:
        add("--year", choices=sample.years, default=sample.years[0],
            help=f"of the data set (default: {sample.years[0]})")
        add("--download", nargs="?", const=True, type=address, metavar="URL",
            help="fetch what is missing, from the publisher or from a mirror at URL")
    sample.add_arguments(parser)
    return parser


def positive(text):
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, received {text}")
    return number


def preset_name(text):
    """A preset's name."""
    try:
        parts(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def address(text):
    """True, False or an http address."""
    if text.lower() in ("true", "yes", "1", "false", "no", "0"):
        return text.lower() in ("true", "yes", "1")
    if text.startswith(("http://", "https://")):
        return text.rstrip("/")
    raise argparse.ArgumentTypeError(f"expected True, False or an http address, received {text!r}")


def chosen_command(sample, args):
    """The command, in whichever way it was given; ValueError for none or two."""
    given = {name for name in (args.command, args.named_command) if name}
    if len(given) != 1:
        what = "two of them" if given else "none"
        raise ValueError(f"expected one command of {', '.join(sample.commands)}, received {what}")
    command = given.pop()
    return "evaluate" if command == "test" else command


def check(sample, args):
    """Refuses what could only fail later.

    Raises:
        ValueError, OSError: saying what is missing, unreadable or in the way.
    """
    on_files = args.command in ("detect", "splash")
    if args.image and args.video:
        raise ValueError("--image and --video: expected one of them")
    if not on_files and (args.image or args.video):
        raise ValueError(f"{args.command} takes no --image and no --video")
    if args.command == "splash" and not (args.image or args.video):
        raise ValueError("splash needs --image or --video")
    sample.config_class(args)
    if sample.subsets:
        _check_dataset(sample, args, is_needed=not (args.image or args.video))
    if args.image:
        for path in images_of(args.image):
            read_image_size(path)
    if args.video:
        VideoReader(args.video)
    _check_weights(sample, args)


def _check_dataset(sample, args, is_needed):
    if args.subset and args.subset not in sample.subsets:
        expected = ", ".join(sample.subsets)
        raise ValueError(f"--subset: expected one of {expected}, received {args.subset}")
    if not is_needed:
        return
    if not args.dataset:
        more = ", --image or --video" if args.command == "detect" else ""
        raise ValueError(f"{args.command} needs --dataset{more}")
    if not os.path.isdir(args.dataset) and not args.download:
        raise FileNotFoundError(f"--dataset: no such folder: {args.dataset}")


def _check_weights(sample, args):
    """Fills in the default, and resolves `last` to its path."""
    args.weights = args.weights or sample.default_weights.get(args.command)
    if not args.weights:
        raise ValueError(f"{args.command} needs --weights")
    if args.weights == "last":
        config = sample.make_config(args)
        args.weights = find_last_checkpoint(args.logs, config.NAME)
    elif args.weights in STARTS:
        if args.command != "train" and not (sample.has_coco_classes and args.weights == "coco"):
            raise ValueError(f"{args.command} needs weights trained for {sample.config.NAME}: "
                             f"last or a path, not {args.weights}")
    elif not os.path.isfile(args.weights):
        raise FileNotFoundError(f"--weights: no such file: {args.weights}")
