"""detectron2's `.pkl`: a dict with numpy arrays under "model"."""

from mrcnn.engine.zoo.safe_pickle import OpeningPickle, numpy_names


def read_pickle(path):
    """What such a file holds.

    Args:
        path: the file.

    Returns:
        The dict as pickled; arrays are `PickledArray`.

    Raises:
        ValueError: it holds anything but numbers, text and arrays; names that.
    """
    with open(path, "rb") as file:
        return OpeningPickle(file, path, numpy_names()).load()
