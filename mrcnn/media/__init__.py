"""Pictures, videos and cameras on their way to a detector and back into files.

Nothing here knows a network: what finds objects is a function that is handed in. PyAV reads
and writes videos, OpenCV opens cameras; both are imported where they are needed.

    frames    VideoReader, ImageFiles, Camera
    objects   pipeline.found: decoding, detecting and drawing at the same time
    files     PictureFiles, VideoFile, CocoFile, MaskFiles, LabelmeFiles
"""
