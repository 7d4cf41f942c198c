"""A checkpoint that torchvision wrote answers here as it does there."""

import numpy as np
import pytest
import theirs
from agreement import CLOSE, check_detections, check_heads, check_trunk, our_answers

from mrcnn.data.image_files import read_image
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.presets import TorchvisionConfig

CLASSES = 5
PROPOSALS, DETECTIONS = 150, 20  # enough to compare, and torchvision takes its time without a GPU


class RandomConfig(TorchvisionConfig):
    NUM_CLASSES = CLASSES
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 400
    POST_NMS_ROIS_INFERENCE = PROPOSALS
    DETECTION_MAX_INSTANCES = DETECTIONS


@pytest.fixture(scope="module")
def images(coco_dir, balloon_dir):
    """Real images of several shapes by name, and one that is small."""
    shots = sorted(coco_dir.glob("val2017/*.jpg"))
    by_shape = {read_image(path).shape[:2]: path for path in shots}
    wide = max(by_shape, key=lambda shape: shape[1] / shape[0])
    tall = max(by_shape, key=lambda shape: shape[0] / shape[1])
    found = {"wide": read_image(by_shape[wide]), "tall": read_image(by_shape[tall])}
    found["large"] = read_image(sorted(balloon_dir.glob("val/*.jpg"))[0])
    found["enlarged"] = found["wide"][100:250, 80:290]
    return found


@pytest.fixture(scope="module")
def torchvision_net(images):
    return theirs.torchvision_model(CLASSES, images["wide"], 256, 400, PROPOSALS, DETECTIONS)


@pytest.fixture(scope="module")
def model(torchvision_net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    theirs.torch.save(torchvision_net.state_dict(), folder / "random.pth")
    model = MaskRCNN("inference", RandomConfig(), folder)
    report = model.load_weights(folder / "random.pth")
    assert not (report.missing or report.unused or report.skipped)
    return model


@pytest.mark.parametrize("name", ["wide", "tall", "large", "enlarged"])
def test_every_step_agrees(model, torchvision_net, images, name):
    expected = theirs.answers(torchvision_net, images[name])
    molded, metas, _ = model.mold_inputs([images[name]])
    np.testing.assert_allclose(molded, expected["molded"], atol=CLOSE, rtol=0)
    found = our_answers(model, expected["molded"], metas)
    check_trunk(found, expected)
    check_heads(found, expected)
    # PyTorch computes where to look in an image in float32: 1e-4 of a pixel off in large ones.
    check_detections(model.detect([images[name]])[0], expected, 2e-2 if name == "large" else CLOSE)


def test_at_full_size(model, torchvision_net, images, tmp_path):
    class FullConfig(RandomConfig):
        IMAGE_MIN_DIM, IMAGE_MAX_DIM = 800, 1333

    theirs.torch.save({"model": torchvision_net.state_dict(), "epoch": 3}, tmp_path / "w.pth")
    full = MaskRCNN("inference", FullConfig(), tmp_path)
    full.load_weights(tmp_path / "w.pth")
    transform = torchvision_net.transform
    sizes = transform.min_size, transform.max_size
    transform.min_size, transform.max_size = (800,), 1333
    expected = theirs.answers(torchvision_net, images["wide"])
    transform.min_size, transform.max_size = sizes
    molded, metas, _ = full.mold_inputs([images["wide"]])
    np.testing.assert_allclose(molded, expected["molded"], atol=CLOSE, rtol=0)
    found = our_answers(full, expected["molded"], metas)
    check_trunk(found, expected)
    check_heads(found, expected)
