"""From Config.BACKBONE to the feature maps C2..C5, whatever it names.

Accepted: the name of a ResNet; a keras.Model; a `keras.applications` function; or any
callable that is given the image tensor and answers feature maps or a keras.Model.
"""

import functools
import inspect
import re

import keras
import numpy as np

from mrcnn.layers.batch_norm import BatchNorm
from mrcnn.layers.foldable_norms import graphs_of, runs_a_graph
from mrcnn.nets.precision import FLOAT32
from mrcnn.nets.resnet import BLOCKS, build_resnet

TAP_STRIDES = (4, 8, 16, 32)
PROBE_SIZE = 512  # pixels; large enough that a padded map is not mistaken for a strided one


@keras.saving.register_keras_serializable(package="mrcnn")
class BackbonePreprocessing(keras.layers.Layer):
    """Give a pretrained network the pixel scaling it was trained with.

    Args:
        mean_pixel: what was subtracted from the image; it is added back first.
        function: maps RGB pixels in 0..255, [B, H, W, C], to the network's input.
        image_std: what the image was divided by after that, one number or one a channel.
    """

    def __init__(self, mean_pixel, function, image_std=1.0, **kwargs):
        super().__init__(**kwargs)
        self.mean_pixel = [float(m) for m in mean_pixel]
        self.image_std = np.broadcast_to(image_std, len(self.mean_pixel)).astype(float).tolist()
        self.function = function if callable(function) else _saved_function(function)

    def call(self, inputs):
        """[B, H, W, C] -> same shape."""
        mean = keras.ops.convert_to_tensor(self.mean_pixel, dtype=inputs.dtype)
        if self.image_std != [1.0] * len(self.mean_pixel):
            inputs = inputs * keras.ops.convert_to_tensor(self.image_std, dtype=inputs.dtype)
        return self.function(inputs + mean)

    def compute_output_shape(self, input_shape):
        """Unchanged."""
        return input_shape

    def get_config(self):
        """Constructor arguments; the function is saved by its name.

        Those of `keras.applications` are found again by themselves, others where they were
        registered with Keras.
        """
        application = self.function.__module__.rpartition(".")[2]
        if _preprocessing_of(application) is self.function:
            function = application
        else:
            function = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "mean_pixel": self.mean_pixel, "function": function,
                "image_std": self.image_std}


def _preprocessing_of(application):
    """`preprocess_input` of a module of `keras.applications`, or None."""
    return getattr(getattr(keras.applications, application, None), "preprocess_input", None)


def _saved_function(saved):
    """The function that `get_config` named."""
    if isinstance(saved, str):
        return _preprocessing_of(saved)
    return keras.saving.deserialize_keras_object(saved)


def is_application(backbone) -> bool:
    """Whether this is a `keras.applications` style function (it can leave out its top)."""
    return callable(backbone) and "include_top" in _parameters(backbone)


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def build_backbone(backbone, images, *, train_bn, mean_pixel, preprocessing=None, width=64,
                   image_std=1.0, style="matterport", epsilon=0.001, deepest=5):
    """Feature maps of a batch of molded images.

    Args:
        backbone: see the module.
        images: [B, H, W, C] keras tensor, mean-subtracted.
        train_bn: see `BatchNorm`; also rules the batch-norm layers of other models.
        mean_pixel: [C], what was subtracted from the images.
        preprocessing: function of RGB pixels 0..255 that a keras.Model or callable
            expects; None takes the one that belongs to a `keras.applications` function,
            or feeds the mean-subtracted image.
        width, style, epsilon: of a ResNet by name, see `build_resnet`. Other networks keep
            their own epsilon.
        image_std: [C] or a number, what the images were divided by.
        deepest: 4 leaves out C5, and the layers that only it needs.

    Returns:
        [C2, C3, C4, C5] with strides 4, 8, 16, 32, up to the deepest.

    Raises:
        ValueError: unknown name, wrong channel count, or a stride without a feature map.
    """
    if isinstance(backbone, str):
        return build_resnet(images, backbone, stage5=deepest >= 5, train_bn=train_bn, width=width,
                            style=style, epsilon=epsilon)[1:deepest]
    if is_application(backbone):
        preprocessing = preprocessing or getattr(
            inspect.getmodule(inspect.unwrap(backbone)), "preprocess_input", None
        )
        channels = images.shape[-1]
        backbone = backbone(include_top=False, weights=None, input_shape=(None, None, channels))
    if preprocessing is not None:
        scale = BackbonePreprocessing(mean_pixel, preprocessing, image_std, name="preprocess",
                                      dtype=FLOAT32)
        images = scale(images)
    wanted = TAP_STRIDES[:deepest - 1]
    if isinstance(backbone, keras.Model):
        return _tap_model(backbone, images, train_bn, wanted)
    return _call_backbone(backbone, images, train_bn, wanted)


def _call_backbone(function, images, train_bn, wanted):
    """A callable's answer: Matterport's (image, stage5=, train_bn=) or plain (image)."""
    known = {"stage5": wanted == TAP_STRIDES, "train_bn": train_bn}
    takes = _parameters(function)
    answer = function(images, **{k: v for k, v in known.items() if k in takes})
    if isinstance(answer, keras.Model):
        return _tap_model(answer, images, train_bn, wanted)
    maps = [m for m in answer if m is not None]
    layers = keras.Model(images, maps).layers
    for layer, name in zip(layers, stable_names(layers), strict=True):
        layer.name = name
    strides = _strides(images, maps)
    taps = [_last_at(maps, strides, stride) for stride in wanted]
    return _checked(taps, strides, wanted)


def _tap_model(model, images, train_bn, wanted):
    """Run a keras.Model on the images and take its deepest map at each stride."""
    channels = model.inputs[0].shape[-1]
    if channels is not None and channels != images.shape[-1]:
        raise ValueError(
            f"BACKBONE {model.name!r} takes {channels} channels; "
            f"IMAGE_CHANNEL_COUNT is {images.shape[-1]}"
        )
    model = _with_our_batch_norm(model, train_bn)
    maps = [t for layer in model.layers for t in _outputs(layer) if len(t.shape) == 4]
    strides = _strides(model.inputs[0], maps)
    taps = _checked([_last_at(maps, strides, stride) for stride in wanted], strides, wanted)
    return keras.Model(model.inputs, taps, name="backbone")(images)


def _outputs(layer):
    """Output tensors of a layer of a functional model."""
    return layer.output if isinstance(layer.output, (list, tuple)) else [layer.output]


def stable_names(layers):
    """Names of layers, the same in every process and however many models were built before.

    Keras numbers unnamed layers through the whole process (`conv2d_7`); a checkpoint that
    held such a name could not be loaded again, or would be loaded into another layer.

    Args:
        layers: in the order of their model.

    Returns:
        List of names: those given, and `auto_<class>_<place among its kind>` for the others.
    """
    counts, names = {}, []
    for layer in layers:
        kind = type(layer).__name__.lower()
        unnumbered = re.sub(r"_\d+$", "", layer.name).replace("_", "")
        if unnumbered == kind and not isinstance(layer, keras.layers.InputLayer):
            counts[kind] = counts.get(kind, 0) + 1
            names.append(f"auto_{kind}_{counts[kind]}")
        else:
            names.append(layer.name)
    return names


def _with_our_batch_norm(model, train_bn):
    """A copy of the model, weights included, for images of any size, whose batch-norm obeys
    TRAIN_BN and whose layers have stable names.

    Models nested in it are copied likewise. A model wholly of float32 follows PRECISION in the
    copy; one with layers of another precision has been given that on purpose and keeps it.
    """
    originals = list({id(x): x for graph in graphs_of(model) for x in graph.layers}.values())
    names = dict(zip(map(id, originals), stable_names(originals), strict=True))
    plain = all(layer.dtype_policy.name == FLOAT32 for layer in originals)

    @functools.cache  # a layer that stands in several of the graphs is one layer in the copies
    def replace(layer):
        if runs_a_graph(layer):
            copy = keras.models.clone_model(layer, clone_function=replace)
            copy.name = names[id(layer)]
            return copy
        config = {**layer.get_config(), "name": names[id(layer)]}
        if plain and not isinstance(layer, (keras.Model, keras.layers.InputLayer)):
            config["dtype"] = keras.config.dtype_policy()
        if isinstance(layer, keras.layers.BatchNormalization):
            return BatchNorm(train_bn=train_bn, **config)
        return layer.__class__.from_config(config)

    free = keras.Input((None, None, model.inputs[0].shape[-1]))
    try:
        copy = keras.models.clone_model(model, input_tensors=free, clone_function=replace)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"BACKBONE {model.name!r} cannot be rebuilt for images of any size: {error}"
        ) from error
    copy.set_weights(model.get_weights())
    return copy


def _strides(image, maps):
    """Stride of each map, or None where it is not the same whole number in y and x."""
    probe = keras.KerasTensor((1, PROBE_SIZE, PROBE_SIZE, image.shape[-1]), dtype=image.dtype)
    shapes = [t.shape for t in keras.Function([image], maps).compute_output_spec([probe])]
    strides = []
    for _, height, width, _ in shapes:
        exact = height == width and height and PROBE_SIZE % height == 0
        strides.append(PROBE_SIZE // height if exact else None)
    return strides


def _last_at(maps, strides, stride):
    at_stride = [m for m, s in zip(maps, strides, strict=True) if s == stride]
    return at_stride[-1] if at_stride else None


def _checked(taps, strides, wanted):
    for tap, stride in zip(taps, wanted, strict=True):
        if tap is None:
            found = sorted({s for s in strides if s})
            raise ValueError(
                f"BACKBONE has no feature map of stride {stride}; needed: {wanted}, "
                f"found: {found}. A ResNet name is one of {sorted(BLOCKS)}."
            )
    return taps
