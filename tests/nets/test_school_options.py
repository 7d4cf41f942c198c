"""The knobs of RoIAlign, targets and losses reach the graphs, and a step with them is finite."""

import keras
import numpy as np
import pytest
from nets.tiny_models import tiny_config, training_batch

from mrcnn.nets.assembly import build_model

KNOBS = {"ROI_ALIGN": "roi_align", "ROI_ALIGN_SAMPLING_RATIO": 3, "ROI_ALIGN_ALIGNED": True,
         "PROPOSAL_APPEND_GT": True, "ROI_BALANCED_SAMPLER": True, "RPN_SMOOTH_L1_BETA": 0.0,
         "ROI_SMOOTH_L1_BETA": 0.25, "BBOX_LOSS_NORMALIZER": "sample"}


@pytest.fixture(scope="module", params=["centers", "edges"])
def model(request):
    config = tiny_config()
    for knob, value in {**KNOBS, "BOX_NORMALIZATION": request.param}.items():
        setattr(config, knob, value)
    config.validate()
    return build_model("training", config), config


def test_knobs_reach_their_layers(model):
    network, config = model
    for name in ("roi_align_classifier", "roi_align_mask"):
        layer = network.get_layer(name)
        assert (layer.align, layer.sampling_ratio, layer.aligned) == (True, 3, True)
        assert layer.edges == config.box_edges
    targets = network.get_layer("proposal_targets")
    assert (targets.append_gt, targets.fill, targets.align, targets.aligned) == (True,) * 4
    assert (targets.sampling_ratio, targets.edges) == (3, config.box_edges)
    assert network.get_layer("rpn_bbox_loss").options == {"beta": 0.0, "per_sample": True}
    loss = network.get_layer("mrcnn_bbox_loss")
    assert loss.options == {"beta": 0.25} and len(loss.input) == 4


def test_a_step_learns_and_is_finite(model):
    network, config = model
    network.configure_losses({}, 1e-4, "l2")
    network.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
    names = [x.name for x in network.inputs]
    batch = dict(zip(names, training_batch(config), strict=True))
    history = network.fit(batch, batch_size=2, epochs=1, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert history["mrcnn_mask_loss"][0] > 0, "added boxes are positives"
    assert history["mrcnn_bbox_loss"][0] > 0
