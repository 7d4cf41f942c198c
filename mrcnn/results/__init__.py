"""What `detect` answers, and what people make of it: outlines, COCO, labelme, pictures."""

from mrcnn.results.result import Result

__all__ = ["Result"]
