"""ImageNet weights of whatever BACKBONE names, as a file that `load_weights` reads."""

from mrcnn.engine.downloads import models_folder
from mrcnn.engine.legacy_h5 import write_legacy_h5
from mrcnn.engine.published import imagenet_path
from mrcnn.nets.backbones import is_application, stable_names


def backbone_weights_path(backbone, style="matterport"):
    """A weights file of the backbone, downloaded on first use and kept by Keras' own files.

    Args:
        backbone: Config.BACKBONE.
        style: Config.RESNET_STYLE, for a ResNet by name.

    Returns:
        Path of a file for `load_weights(path, by_name=True)`.

    Raises:
        ConnectionError: offline, or the download broke off.
        ValueError: no ImageNet weights belong to this backbone.
    """
    if isinstance(backbone, str):
        return imagenet_path(backbone, style)
    if not is_application(backbone):
        raise ValueError(
            f"get_imagenet_weights: {backbone!r} is no ResNet name and no keras.applications "
            "function, so its ImageNet weights are unknown; load your own file instead"
        )
    path = models_folder() / "mrcnn" / f"{backbone.__name__.lower()}_imagenet.h5"
    if not path.exists():
        write_legacy_h5(path, [("backbone", application_weights(backbone))])
    return str(path)


def application_weights(backbone):
    """[("layer/weight:0", array)] of a `keras.applications` function, without its top."""
    try:
        model = backbone(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception where the download fails
        if isinstance(error, (TypeError, ValueError)):
            raise
        raise ConnectionError(
            f"the ImageNet weights of {backbone.__name__} could not be downloaded: {error}"
        ) from error
    return [
        (f"{name}/{weight.name}:0", weight.numpy())
        for layer, name in zip(model.layers, stable_names(model.layers), strict=True)
        for weight in layer.weights
    ]
