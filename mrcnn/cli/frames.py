"""`mrcnn frames`: videos into numbered pictures."""

import click

from mrcnn.cli.doors import clear_errors

EPILOG = """\b
Examples:
  mrcnn frames party.mp4 --output pictures              every frame
  mrcnn frames a.mp4 b.mp4 -o pictures --interval 2s    one each two seconds
  mrcnn frames party.mp4 -o pictures --interval 30 --limit 100 --prefix train

\b
The pictures are called PREFIX_VIDEO_000030.jpg; the number is that of the
frame in the video, from 0. `mrcnn assemble` makes a video of them again.
"""


@click.command(epilog=EPILOG, no_args_is_help=True)
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO...",
                type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--output", required=True, type=click.Path(), metavar="DIR",
              help="Folder for the pictures.")
@click.option("--interval", default="1", show_default=True, metavar="N",
              help="From one picture to the next: frames (30), or seconds (2s).")
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="Pictures of each video at most.")
@click.option("--prefix", default="", metavar="TEXT", help="Goes before every name.")
@click.option("--start", metavar="T", help="Begin here: seconds (90, 1:30) or frame (300f).")
@click.option("--end", metavar="T", help="End here, in the same way.")
@click.option("--overwrite", is_flag=True, help="Replace pictures that are there.")
def frames(videos, output, interval, limit, prefix, start, end, overwrite):
    """Turns videos into numbered pictures: to label them, or to change and assemble them.

    Frames that cannot be read are left out and counted.
    """
    with clear_errors():
        from mrcnn.commands.pace import showing_pace
        from mrcnn.media.stills import extract_frames

        with showing_pace() as progress:
            count = extract_frames(videos, output, interval, limit, prefix, start, end, overwrite,
                                   progress, report=lambda text: click.echo(text, err=True))
        click.echo(f"{count} picture{'s' * (count != 1)} in {output}")
