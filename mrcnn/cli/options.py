"""Arguments and options that several commands take, so that they read alike everywhere."""

import math

import click

MODEL_HELP = "a checkpoint, the folder of a run, or coco, coco+paper,\ncoco+torchvision"


class _Model(click.Path):
    """A path that exists, or coco, alone or with a school."""

    def convert(self, value, param, ctx):
        """The text as it is."""
        return value if value.partition("+")[0] == "coco" else super().convert(value, param, ctx)


class Number(click.FloatRange):
    """A range of numbers without nan, which no comparison keeps out."""

    def convert(self, value, param, ctx):
        """The number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


def model_argument(function):
    """MODEL: a weights file, a run folder, whose newest checkpoint is taken, or coco."""
    return click.argument("model", type=_Model(exists=True))(function)


def config_options(function):
    """--config and --set, which `commands.settings` resolves."""
    function = click.option(
        "--set", "assignments", multiple=True, metavar="KEY=VALUE",
        help="Set one knob of the configuration, such as --set IMAGE_MAX_DIM=512. Repeatable.",
    )(function)
    return click.option(
        "--config", "config", metavar="SOURCE",
        help="Configuration: a YAML file of knobs, or a Config class as file.py:Class or "
             "module:Class.",
    )(function)


def data_options(function):
    """--format, --images, --subset and options of readers; `data_source` takes all of them."""
    for decorate in (
        click.option("--crowds-as-objects", is_flag=True,
                     help="COCO: take crowds as objects, as CVAT marks all masks."),
        click.option("--class-name", metavar="NAME",
                     help="VIA and masks: the class of every object."),
        click.option("--class-attribute", metavar="NAME",
                     help="VIA: the region attribute that holds the class."),
        click.option("--subset", metavar="NAME", help="Part of the data set, such as val."),
        click.option("--images", type=click.Path(exists=True, file_okay=False), metavar="DIR",
                     help="Folder of the images, where they lie away from the annotations."),
        click.option("--format", "format_", default="auto", metavar="NAME", show_default=True,
                     help="coco, via, voc, labelme, yolo, masks or shapes."),
    ):
        function = decorate(function)
    return function


def reader_options(class_attribute, class_name, crowds_as_objects):
    """Those that were given, as `load_dataset` takes them."""
    options = {"class_attribute": class_attribute, "class_name": class_name,
               "crowds_as_objects": crowds_as_objects}
    return {name: value for name, value in options.items() if value}


def data_source(path, format_, images, subset, **readers):
    """The `commands.reading.DataSource` of these words."""
    from mrcnn.commands.reading import DataSource

    return DataSource(path, format_, images, subset, reader_options(**readers))
