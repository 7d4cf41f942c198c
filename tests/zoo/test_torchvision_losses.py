"""Training under the `torchvision` preset: targets, losses and gradients are those of torchvision.

Both see one batch of two photographs with their objects, of two shapes so that both are padded,
and draw the same samples. Their boxes are (x0, y0, x1, y1) in pixels.
"""

import types

import keras
import numpy as np
import pytest
import theirs
from agreement import nearest
from theirs import swapped, torch
from training_steps import our_place, our_step, shares, their_step, trained

from mrcnn.data.anchoring import config_anchors
from mrcnn.data.batches import ExampleReader, assemble
from mrcnn.data.formats.loading import load_dataset
from mrcnn.data.targets import build_rpn_targets
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.engine.zoo.layouts import to_ours
from mrcnn.engine.zoo.names import TORCHVISION, place_of
from mrcnn.layers.detection_target import DetectionTargetLayer
from mrcnn.nets.losses import LOSSES, mrcnn_mask_loss
from mrcnn.presets import TorchvisionConfig

PHOTOGRAPHS = 0, 13  # of the slice of COCO: one wide, one tall, nine objects or more, no crowd
TARGETS, PIXELS = 1e-4, 1e-3
LOSS, GRADIENT, GRADIENT_BEHIND_RELU = 1e-4, 1e-4, 1e-2  # relative
NAMES = {"rpn_class_loss": "loss_objectness", "rpn_bbox_loss": "loss_rpn_box_reg",
         "mrcnn_class_loss": "loss_classifier", "mrcnn_bbox_loss": "loss_box_reg",
         "mrcnn_mask_loss": "loss_mask"}
LOOKED_AT = (  # weights whose gradients are compared
    "backbone.body.layer2.0.conv2.weight", "backbone.body.layer3.5.conv1.weight",
    "backbone.body.layer4.0.downsample.0.weight", "backbone.fpn.inner_blocks.1.0.weight",
    "backbone.fpn.layer_blocks.0.0.bias", "rpn.head.conv.0.0.weight", "rpn.head.cls_logits.weight",
    "rpn.head.bbox_pred.bias", "roi_heads.box_head.fc6.weight", "roi_heads.box_head.fc7.bias",
    "roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.bbox_pred.weight",
    "roi_heads.mask_head.0.0.weight", "roi_heads.mask_predictor.conv5_mask.weight",
    "roi_heads.mask_predictor.mask_fcn_logits.weight",
)


class SmallConfig(TorchvisionConfig):
    NUM_CLASSES = 81
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 400
    TRAIN_ROIS_PER_IMAGE = 96  # fewer than the preset's 512: torchvision pools slowly here
    SEED = 4


@pytest.fixture(scope="module")
def batch(coco_dir):
    dataset = load_dataset(coco_dir, subset="val2017")
    reader = ExampleReader(dataset, SmallConfig())
    examples = [reader.read(i, np.random.default_rng(i)) for i in PHOTOGRAPHS]
    assert all(len(one.class_ids) > 4 and (one.class_ids > 0).all() for one in examples)
    return types.SimpleNamespace(examples=examples, **assemble(examples, SmallConfig()))


@pytest.fixture(scope="module")
def net(batch):
    """torchvision's network as it is fine-tuned from its COCO file: frozen batch-norm, three of
    the five stages trained."""
    lively = theirs.torchvision_model(81, batch.examples[0].image, 256, 400)
    from torchvision.models import resnet50
    from torchvision.models.detection import MaskRCNN as TheirMaskRCNN
    from torchvision.models.detection._utils import overwrite_eps
    from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
    from torchvision.ops.misc import FrozenBatchNorm2d

    body = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    found = TheirMaskRCNN(_resnet_fpn_extractor(body, trainable_layers=3), 81)
    known = found.load_state_dict(lively.state_dict())
    assert not (known.missing_keys or known.unexpected_keys)
    overwrite_eps(found, 0.0)
    with torch.no_grad():  # probabilities as low as 1e-7 are another thing, see below
        found.roi_heads.mask_predictor.mask_fcn_logits.weight *= 0.1
    return found.train()


@pytest.fixture(scope="module")
def model(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    torch.save(net.state_dict(), folder / "random.pth")
    model = MaskRCNN("training", SmallConfig(), folder)
    report = model.load_weights(folder / "random.pth")
    assert not (report.missing or report.unused or report.skipped)
    model.set_trainable("all", verbose=0)
    return model


@pytest.fixture(scope="module")
def ours(model, batch):
    return our_step(model, batch, LOOKED_AT)


@pytest.fixture(scope="module")
def yours(net, batch, ours):
    return their_step(net, batch, ours)


def test_anchors_match_the_same_objects(batch, net, yours):
    """Before sampling: which anchors are positive, negative or neither, and their deltas."""
    class EveryAnchor(SmallConfig):
        RPN_TRAIN_ANCHORS_PER_IMAGE = 10**6

    labels, matched = net.rpn.assign_targets_to_anchors(yours.anchors, yours.targets)
    wanted = net.rpn.box_coder.encode(matched, yours.anchors)
    anchors = config_anchors(SmallConfig(), batch.images.shape[1:])
    for i, example in enumerate(batch.examples):
        np.testing.assert_array_equal(anchors, swapped(yours.anchors[i].numpy()))
        match, deltas = build_rpn_targets(None, anchors, example.class_ids, example.boxes,
                                          EveryAnchor())
        theirs_too = labels[i].numpy()
        np.testing.assert_array_equal(match == 1, theirs_too == 1)
        np.testing.assert_array_equal(match == -1, theirs_too == 0)
        np.testing.assert_array_equal(match == 0, theirs_too == -1)
        positive = match == 1
        assert positive.sum() >= len(example.class_ids) and (match == 0).any()
        np.testing.assert_allclose(deltas[: positive.sum()], swapped(wanted[i].numpy()[positive]),
                                   atol=TARGETS, rtol=0)


def test_proposals(ours, yours):
    for mine, your in zip(ours.proposals, yours.proposals, strict=True):
        assert len(mine) == len(your) > 1000
        rows = nearest(mine, swapped(your))
        assert len(set(rows)) == len(rows)
        np.testing.assert_allclose(mine[rows], swapped(your), atol=PIXELS, rtol=0)


def test_proposals_match_the_same_objects(batch, net, ours, yours):
    """With the objects appended, and what the preset's 512 rois an image are drawn from."""
    class FullConfig(SmallConfig):
        TRAIN_ROIS_PER_IMAGE = TorchvisionConfig.TRAIN_ROIS_PER_IMAGE

    layer = DetectionTargetLayer(FullConfig())
    height, width = batch.images.shape[1:3]
    unit = np.array([height, width, height, width], np.float32)
    heads = net.roi_heads
    for i, (proposals, target) in enumerate(zip(ours.proposals, yours.targets, strict=True)):
        gt_boxes = np.float32(batch.gt_boxes[i] / unit)[None]
        ids = batch.gt_class_ids[i][None]
        boxes = torch.tensor(swapped(proposals), dtype=torch.float32)
        [together] = heads.add_gt_proposals([boxes], [target["boxes"]])
        [best], [labels] = heads.assign_targets_to_proposals(
            [together], [target["boxes"]], [target["labels"]])
        normalised = np.float32(swapped(together.numpy()) / unit)[None]
        positive, negative, rows = (keras.ops.convert_to_numpy(x)[0] for x in layer.match(
            normalised, ids, gt_boxes))
        mine = np.where(positive, ids[0][rows], np.where(negative, 0, -1))
        np.testing.assert_array_equal(mine, labels.numpy())
        np.testing.assert_array_equal(rows[positive], best.numpy()[positive])
        drawn = layer([normalised[:, : len(proposals)], ids, gt_boxes, batch.gt_masks[i][None]])
        rois, class_ids = (keras.ops.convert_to_numpy(x)[0] for x in drawn[:2])
        assert rois.any(axis=1).sum() == len(rois) == 512  # as many as heads.fg_bg_sampler
        assert (class_ids > 0).sum() == min(128, (labels > 0).sum())


def test_deltas_of_the_rois(ours, yours):
    for mine, your, ids in zip(ours.deltas, yours.deltas, ours.class_ids, strict=True):
        assert 0 < (ids > 0).sum() <= len(ids) // 4
        np.testing.assert_allclose(mine[ids > 0], swapped(your[ids > 0]), atol=TARGETS, rtol=0)


@pytest.mark.parametrize("name", LOSSES)
def test_losses(ours, yours, name):
    np.testing.assert_allclose(ours.losses[name], yours.losses[NAMES[name]], rtol=LOSS)


def test_shares_are_what_torchvision_projects(net):
    from torchvision.models.detection.roi_heads import project_masks_on_boxes

    masks = torch.tensor(np.random.default_rng(0).random((2, 30, 40)) > 0.4)
    boxes = torch.tensor([[3.2, 4.9, 39.7, 29.3], [-0.5, 1.5, 9.1, 2.2]])
    rows = torch.tensor([1, 0])
    np.testing.assert_allclose(shares(masks.numpy(), boxes.numpy(), rows.numpy(), 7),
                               project_masks_on_boxes(masks, boxes, rows, 7), atol=1e-5)


def test_mask_targets_are_theirs_rounded(ours, yours):
    """Theirs are shares of a bin in 0..1 at adaptive points, ours 0 or 1 from two points a side."""
    for mine, soft in zip(ours.masks, yours.soft_masks, strict=True):
        mine = mine[: len(soft)]
        assert np.mean(mine != (soft >= 0.5)) < 0.02
        assert 0.05 < np.mean(np.abs(mine - soft) > 1e-3) < 0.3  # the seams
    np.testing.assert_allclose(yours.losses["loss_mask"], yours.soft_loss, rtol=0.01)


@pytest.mark.parametrize("odds, close", [(4.0, 1e-4), (8.0, 1e-3), (-8.0, 1e-3), (12.0, 0.05)])
def test_mask_loss_of_log_odds(odds, close):
    """Theirs is computed from log odds, ours from probabilities, that of a pixel up to 15.4."""
    wanted = torch.nn.functional.softplus(torch.tensor([odds, -odds])).mean()
    masks = keras.ops.convert_to_tensor(np.float32([0, 1]).reshape(1, 1, 1, 2))
    probabilities = keras.ops.sigmoid(np.full((1, 1, 1, 2, 2), odds, np.float32))
    found = mrcnn_mask_loss(masks, np.array([[1]]), probabilities)
    np.testing.assert_allclose(found, wanted, rtol=close)


def test_the_same_weights_are_trained(model, net):
    wanted = {our_place(name) for name, weight in net.named_parameters() if weight.requires_grad}
    assert set(trained(model.keras_model)) == wanted
    assert len(wanted) < len(list(net.parameters()))


@pytest.mark.parametrize("name", LOOKED_AT)
def test_gradients(ours, yours, net, name):
    """The objectness has two rows here, each with the gradient of their one.

    Relus that the last bit turns over move the gradients of what lies before them: torchvision's
    own by 7e-3 where its image moves by a millionth.
    """
    gradient = keras.ops.convert_to_numpy(ours.gradients[our_place(name)])
    module, _, weight = name.rpartition(".")
    layout = place_of(module, TORCHVISION)[2]
    _, wanted = to_ours(net.get_parameter(name).grad.numpy(), layout, weight, 256)
    if layout == "objectness":
        np.testing.assert_allclose(gradient[..., ::2], -gradient[..., 1::2], atol=1e-6)
        gradient, wanted = gradient[..., 1::2], wanted[..., 1::2]
    apart = np.linalg.norm(gradient - wanted) / np.linalg.norm(wanted)
    last = any(word in name for word in ("logits", "pred.", "cls_score"))
    assert apart < (GRADIENT if last else GRADIENT_BEHIND_RELU)
