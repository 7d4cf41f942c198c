"""What the scripts in `samples/` share, for scripts of one's own as well.

    from mrcnn import commands

    class Balloon(commands.Sample):
        config = BalloonConfig
        def load(self, args, subset): ...

    if __name__ == "__main__":
        Balloon().main()

Importing it loads no TensorFlow: `--help` and every mistake on the command line are quick.
"""

from mrcnn.commands.samples.archives import fetch_archive, unpack
from mrcnn.commands.samples.pictures import (
    paint_detections,
    rewrite_video,
    segment_image,
    splash_video,
)
from mrcnn.commands.samples.sample import Sample, SmallNetwork
from mrcnn.commands.samples.scoring import detections, evaluate

__all__ = [
    "Sample",
    "SmallNetwork",
    "detections",
    "evaluate",
    "fetch_archive",
    "paint_detections",
    "rewrite_video",
    "segment_image",
    "splash_video",
    "unpack",
]
