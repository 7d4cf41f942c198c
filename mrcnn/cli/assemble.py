"""`mrcnn assemble`: numbered pictures into a video."""

import click

from mrcnn.cli.doors import clear_errors
from mrcnn.cli.options import Number

EPILOG = """\b
Examples:
  mrcnn assemble pictures --output out.mp4
  mrcnn assemble results/detect_x -o out.mp4 --fps 12.5 --audio party.mp4
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(), metavar="FILE",
              help="The video: .mp4, .m4v, .mov, .mkv or .avi.")
@click.option("--fps", type=Number(min=0, min_open=True, max=1000), default=25,
              show_default=True, metavar="N", help="Frames a second.")
@click.option("--audio", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
              help="Take the sound of this video or sound file.")
@click.option("--overwrite", is_flag=True, help="Replace a video that is there.")
def assemble(folder, output, fps, audio, overwrite):
    """Turns the pictures of a folder into a video, frame_2 before frame_10.

    All pictures must have one size. The video is H.264, which browsers play.
    """
    with clear_errors():
        from mrcnn.commands.pace import showing_pace
        from mrcnn.media.stills import assemble as make_video

        with showing_pace() as progress:
            count, notes = make_video(folder, output, fps, audio, overwrite, progress)
        for note in notes:
            click.echo(f"Note: {note}")
        click.echo(f"{count} frame{'s' * (count != 1)} in {output}")
