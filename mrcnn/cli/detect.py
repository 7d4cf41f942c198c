"""`mrcnn detect`: find objects in pictures, videos and cameras."""

import click

from mrcnn.cli.doors import clear_errors
from mrcnn.cli.options import MODEL_HELP, Number, config_options, model_argument

EPILOG = f"""\b
Examples:
  mrcnn detect coco photo.jpg                80 everyday classes
  mrcnn detect coco+torchvision photo.jpg    with torchvision's weights
  mrcnn detect logs photos/                  a folder, with the newest model
  mrcnn detect model.h5 a.jpg b.mp4          files, pictures and videos mixed
  mrcnn detect model.h5 "shots/*.png"        a pattern
  mrcnn detect model.h5 party.mp4 --splash --classes balloon
  mrcnn detect model.h5 party.mp4 --start 1:30 --end 2:00 --every 5
  mrcnn detect model.h5 0                    the first camera, until Ctrl-C
  mrcnn detect model.h5 photos --save masks,labelme --output labels

\b
MODEL is {MODEL_HELP}.
INPUT is a file, a folder, a pattern, or a camera: 0 or camera:0.

\b
Written into the output folder, as --save says:
  pictures  pictures, and videos with sound: masks, boxes and labels drawn
  coco      detections.json: images, categories, and annotations with scores
  masks     masks/NAME.png, 16 bits: 0 for nothing, k on the k-th object
  labelme   labelme/NAME.json, to correct by hand and train on

\b
Broken files and frames are skipped and named at the end. Ctrl-C keeps what is
done; a video or detections.json that is not complete is then called .partial.
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@model_argument
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", type=click.Path(), metavar="DIR",
              help="Folder of the results.  [default: new, results/detect_<time>]")
@click.option("--confidence", type=Number(0, 1), metavar="X",
              help="Lowest score.  [default: as the model was configured]")
@click.option("--classes", metavar="NAMES", help="Only these, such as person,car.")
@click.option("--splash", is_flag=True, help="Colour only on the objects, all else grey.")
@click.option("--save", default="pictures,coco", show_default=True, metavar="KINDS",
              help="Some of pictures, coco, masks, labelme, with commas.")
@click.option("--no-pictures", is_flag=True, help="No pictures and no videos.")
@click.option("--tiled", is_flag=True,
              help="Look at each picture in overlapping tiles: small objects, large pictures.")
@click.option("--batch", type=click.IntRange(min=1), metavar="N",
              help="Pictures that the network takes at once.")
@click.option("--recursive", is_flag=True, help="Folders with all folders in them.")
@click.option("--start", metavar="T", help="Begin videos here: seconds (90, 1:30), frame (300f).")
@click.option("--end", metavar="T", help="End videos here, in the same way.")
@click.option("--every", type=click.IntRange(min=1), default=1, metavar="N",
              help="One frame of so many.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="At most so many pictures, and frames of each video or camera.")
@click.option("--fps", type=Number(min=0, min_open=True, max=1000), metavar="N",
              help="Frames a second of the videos written, without sound.  [default: as read]")
@click.option("--overwrite", is_flag=True, help="Write into a folder that holds files already.")
@config_options
def detect(model, inputs, output, confidence, classes, splash, save, no_pictures, tiled, batch,
           recursive, start, end, every, limit, fps, overwrite, config, assignments):
    """Finds the objects in pictures, videos and camera pictures.

    Decoding, the network, drawing and encoding run at the same time, and a long video needs no
    more memory than a short one.
    """
    saves = [word.strip() for word in save.split(",") if word.strip()]
    saves = [word for word in saves if not (no_pictures and word == "pictures")]
    if splash and "pictures" not in saves:
        raise click.UsageError("--splash: no pictures are saved to show it")
    with clear_errors():
        from mrcnn.commands import detecting, opening
        from mrcnn.commands.pace import showing_pace
        from mrcnn.media.plan import Plan

        if batch:
            assignments = [*assignments, "GPU_COUNT=1", f"IMAGES_PER_GPU={batch}"]
        description = opening.describe(model)
        settings = opening.inference_config(description, config, assignments)
        click.echo(f"model: {description.path}", err=True)
        wanted = classes and detecting.wanted_classes(classes, description.class_names)
        plan = Plan(inputs, output, saves, recursive, start, end, every, limit, fps,
                    settings.IMAGE_CHANNEL_COUNT, overwrite)
        try:
            network = opening.open_detector(model, config, assignments)
            with showing_pace() as progress:
                summary = detecting.run(plan, network, wanted, confidence, tiled, splash,
                                        progress, report=lambda text: click.echo(text, err=True))
        finally:
            plan.clear()
        for line in detecting.summary_lines(summary):
            click.echo(line)
