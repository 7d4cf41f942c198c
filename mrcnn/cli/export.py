"""`mrcnn export`: a model as a file for other programs."""

import click

from mrcnn.cli.doors import clear_errors
from mrcnn.cli.options import MODEL_HELP, config_options, model_argument

EPILOG = f"""\b
Examples:
  mrcnn export logs exported                  a SavedModel, of the newest model
  mrcnn export model.h5 model.onnx            for ONNX Runtime
  mrcnn export model.h5 model.tflite --weights float16
  mrcnn export coco coco_model --set DETECTION_MIN_CONFIDENCE=0.5

\b
MODEL is {MODEL_HELP}. PATH is a folder for a
SavedModel, or a file that ends in .onnx, .tflite or .keras.

\b
SavedModel  plain images of any size in; boxes, classes, scores and masks in
            image pixels out. Runs where mrcnn is not installed.
ONNX        the same, one image at a time.
TFLite      built-in operators only, images of one size; the description beside
            it says how they are resized.
.keras      the network alone, for keras.models.load_model.
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@model_argument
@click.argument("path", type=click.Path())
@click.option("--format", "format_", metavar="NAME",
              help="saved_model, onnx, tflite or keras.  [default: as PATH ends]")
@click.option("--weights", metavar="KIND",
              help="TFLite: float32, or float16 for half the size.  [default: float32]")
@click.option("--image-type", metavar="TYPE",
              help="Of the images: uint8, uint16 or float32.  [default: uint8]")
@click.option("--image-shape", type=click.IntRange(min=1), nargs=2, metavar="H W",
              help="TFLite: size of its input, where resizing does not make squares.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@config_options
def export(model, path, format_, weights, image_type, image_shape, overwrite, config,
           assignments):
    """Writes a model as a file that other programs run.

    The thresholds of detection are those of the model, or of --set, and are built in.
    """
    with clear_errors():
        from mrcnn.commands.exporting import export_checkpoint

        for line in export_checkpoint(
                model, path, config, assignments, format_=format_, weights=weights,
                image_type=image_type, image_shape=image_shape, overwrite=overwrite):
            click.echo(line)
