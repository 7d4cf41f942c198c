"""Published weights of each school: where they come from, and where they are kept."""

import os
import re
from pathlib import Path

from mrcnn.engine.downloads import download_file, imagenet_weights_path, models_folder
from mrcnn.engine.legacy_h5 import read_legacy_h5, write_legacy_h5
from mrcnn.engine.zoo.reading import read_zoo

_PYTORCH = "https://download.pytorch.org/models/"
_DETECTRON2 = "https://dl.fbaipublicfiles.com/detectron2/"
_COCO = f"{_DETECTRON2}COCO-InstanceSegmentation/"

# {(preset, BACKBONE): address} of whole models trained on COCO.
COCO = {
    ("torchvision", "resnet50"): f"{_PYTORCH}maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
    ("paper", "resnet50"): f"{_COCO}mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl",
    ("paper", "resnet101"): f"{_COCO}mask_rcnn_R_101_FPN_3x/138205316/model_final_a3ec72.pkl",
}
SCHOOLS = sorted({preset for preset, _ in COCO})
# {(RESNET_STYLE, BACKBONE): address} of networks trained on ImageNet.
IMAGENET = {
    ("pytorch", "resnet50"): f"{_PYTORCH}resnet50-0676ba61.pth",
    ("pytorch", "resnet101"): f"{_PYTORCH}resnet101-63fe2227.pth",
    ("caffe", "resnet101"): f"{_DETECTRON2}ImageNetPretrained/MSRA/R-101.pkl",
}
_DIGITS = re.compile(r"-([0-9a-f]{8})\.pth$")  # PyTorch's names end with those of the SHA-256


def coco_weights_path(preset: str, backbone: str = "resnet50", verbose: int = 1) -> str:
    """Path of torchvision's or detectron2's weights trained on COCO, downloaded on first use.

    They are taken from the current folder, from PyTorch's own cache, or from where Keras keeps
    its downloads, which is where they go.

    Args:
        preset: "torchvision" or "paper".
        backbone: Config.BACKBONE.
        verbose: 1 shows the progress.

    Raises:
        ValueError: none are published for this network.
        ConnectionError: they are not here and cannot be downloaded.
    """
    url = COCO.get((preset, backbone))
    if url is None:
        known = ", ".join(name for school, name in COCO if school == preset)
        raise ValueError(f"weights trained on COCO: under the preset {preset!r} there are some "
                         f"for BACKBONE {known or 'none'}, received {backbone!r}")
    return _kept(url, verbose)


def imagenet_path(backbone: str, style: str = "matterport", verbose: int = 1) -> str:
    """Path of a ResNet's ImageNet weights as a style of ResNet needs them.

    Args:
        backbone: "resnet50" or "resnet101".
        style: Config.RESNET_STYLE. "pytorch" gets torchvision's, "caffe" detectron2's resnet101;
            its resnet50 is the origin of Keras' file, which "caffe" gets with the channels of the
            first convolution in the order of RGB images. It was trained on BGR ones, and is used
            as it is by "matterport" alone, which has no other for resnet101 either.
        verbose: 1 shows the progress.

    Raises:
        ValueError, ConnectionError: as `coco_weights_path`.
    """
    if (style, backbone) in IMAGENET:
        return _kept(IMAGENET[style, backbone], verbose)
    if style == "pytorch":
        raise ValueError("ImageNet weights: expected resnet50 or resnet101, received "
                         f"{backbone!r}, for which none are known; train from scratch or load "
                         "your own file")
    path = imagenet_weights_path(backbone, verbose)
    return _in_rgb(path) if style == "caffe" else path


def _kept(url, verbose):
    """The file of an address, where it already is or after the download."""
    *_, folder, _, theirs = url.split("/")
    name = theirs if url.startswith(_PYTORCH) else f"{folder}_{theirs}"  # model_final says little
    for path in (Path(theirs), Path(name), _torch_cache() / name):
        if path.is_file():
            return str(path)
    digits = _DIGITS.search(url)
    return download_file(url, models_folder() / name, sha256=digits and digits[1],
                         check=read_zoo, verbose=verbose)


def _torch_cache():
    """Where PyTorch keeps what it downloads."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch") / "hub" / "checkpoints"


def _in_rgb(path):
    """A copy of Keras' file that expects RGB images, made once."""
    copy = models_folder() / "mrcnn" / f"{Path(path).stem}_rgb.h5"
    if not copy.exists():
        file = read_legacy_h5(path)
        for key in file:
            if key[0] == "conv1" and key[2] == "kernel":
                file.arrays[key] = file[key][:, :, ::-1]
        write_legacy_h5(copy, [
            (layer, [(f"{leaf}/{weight}:0", file[layer, leaf, weight]) for _, leaf, weight in keys])
            for layer, keys in file.by_layer().items()])
    return str(copy)
