"""Functions of tensors as files of TensorFlow's formats."""

import tensorflow as tf


class _Detector(tf.Module):
    """What a loaded SavedModel offers beside its signatures."""

    def __init__(self, batch, shape, dtype, variables):
        super().__init__(name="mask_rcnn")
        self.weights = [variable.value for variable in variables]
        several = tf.TensorSpec((None, *shape), dtype, name="images")
        one = tf.TensorSpec(shape, dtype, name="image")
        self.detect_batch = tf.function(batch, input_signature=[several], jit_compile=False)
        self.detect = tf.function(self._first, input_signature=[one], jit_compile=False)

    def _first(self, image):
        found = self.detect_batch(image[tf.newaxis])
        return {name: value[0] for name, value in found.items() if name != "counts"}


def write_saved_model(folder, batch, shape, dtype, variables):
    """Writes a SavedModel that plain `tf.saved_model.load` opens.

    The loaded object has `detect_batch(images)` and `detect(image)`, which takes one image and
    answers the same without the first axis and without "counts"; the signatures
    "serving_default" and "detect" are these two.

    Args:
        folder: path of a folder that is not there yet.
        batch: function of images [B, *shape] to a dict of tensors with a first axis of B.
        shape: of one image, None for sizes that are open.
        dtype: name of the images' type.
        variables: Keras variables that `batch` reads.
    """
    module = _Detector(batch, shape, dtype, variables)
    tf.saved_model.save(module, str(folder), signatures={
        "serving_default": module.detect_batch.get_concrete_function(),
        "detect": module.detect.get_concrete_function(),
    })
