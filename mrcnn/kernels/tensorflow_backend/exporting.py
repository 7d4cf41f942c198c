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
        self.detect = tf.function(
            _of_one(self.detect_batch), input_signature=[one], jit_compile=False)


def _of_one(batch):
    """A function of one image, from a function of several."""

    def detect(image):
        found = batch(image[tf.newaxis])
        return {name: value[0] for name, value in found.items() if name != "counts"}

    return detect


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


def write_onnx(path, batch, shape, dtype, opset, facts):
    """Writes an ONNX file of one graph: "image" [*shape] in, the outputs of one image out.

    Args:
        path: of the file.
        batch, shape, dtype: as of `write_saved_model`.
        opset: version of the operators.
        facts: name -> text, kept in the file's metadata.
    """
    import onnx
    import tf2onnx

    spec = tf.TensorSpec(shape, dtype, name="image")
    one = tf.function(_of_one(batch), input_signature=[spec], jit_compile=False)
    model, _ = tf2onnx.convert.from_function(one, input_signature=[spec], opset=opset)
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def write_tflite(path, function, inputs, weights, variables):
    """Writes a TFLite file that needs nothing but the built-in operators.

    Args:
        path: of the file.
        function: of tensors to a dict of tensors, every size known.
        inputs: list of (name, shape, dtype name), the arguments.
        weights: "float32", or "float16" for half the size; computed is in float32.
        variables: Keras variables that `function` reads.
    """
    signature = [tf.TensorSpec(shape, dtype, name=name) for name, shape, dtype in inputs]
    module = tf.Module()
    module.weights = [variable.value for variable in variables]
    module.call = tf.function(function, input_signature=signature, jit_compile=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if weights == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content = converter.convert()
    with open(path, "wb") as file:
        file.write(content)
