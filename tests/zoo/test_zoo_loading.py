"""Files of other zoos: where each number goes, and which files are refused."""

import keras
import numpy as np
import pytest
from small_files import (
    CLASSES,
    DENSE,
    FEATURES,
    WIDTH,
    SmallPaper,
    SmallTorchvision,
    detectron2_state,
    imagenet_state,
    torchvision_state,
    write_pickle,
)

from mrcnn.commands.opening import describe
from mrcnn.config import Config
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.presets import with_preset


def built(config_class, folder, mode="inference", **knobs):
    config = config_class()
    for knob, value in knobs.items():
        setattr(config, knob, value)
    return MaskRCNN(mode, config, folder)


@pytest.fixture(scope="module")
def torchvision_model(tmp_path_factory):
    return built(SmallTorchvision, tmp_path_factory.mktemp("torchvision"))


@pytest.fixture(scope="module")
def paper_model(tmp_path_factory):
    return built(SmallPaper, tmp_path_factory.mktemp("paper"))


def weights_of(model):
    """{"layer/weight": array}, the RPN's by their own layers."""
    found = {}
    for layer in [*model.keras_model.layers, *model.keras_model.get_layer("rpn_model").layers]:
        if layer.name != "rpn_model":
            found.update({f"{layer.name}/{v.name}": keras.ops.convert_to_numpy(v)
                          for v in layer.weights})
    return found


def test_each_number_of_torchvision_has_its_place(torchvision_model, tmp_path):
    state = torchvision_state()
    report = torchvision_model.load_weights(write_pickle(tmp_path / "w.pkl", state))
    assert not (report.missing or report.unused or report.skipped)
    ours = weights_of(torchvision_model)
    for y, x, i, o in ((0, 6, 0, 1), (2, 3, 2, 5)):
        assert ours["conv1/kernel"][y, x, i, o] == state["backbone.body.conv1.weight"][o, i, y, x]
    second = state["backbone.body.layer3.1.conv2.weight"]
    assert ours["res4b_branch2b/kernel"][0, 2, 3, 4] == second[4, 3, 0, 2]
    np.testing.assert_array_equal(ours["bn3a_branch1/moving_variance"],
                                  state["backbone.body.layer2.0.downsample.1.running_var"])
    np.testing.assert_array_equal(ours["bn_conv1/gamma"], state["backbone.body.bn1.weight"])
    np.testing.assert_array_equal(ours["fpn_c4p4/bias"],
                                  state["backbone.fpn.inner_blocks.2.0.bias"])
    dense = state["roi_heads.box_head.fc6.weight"].reshape(DENSE, FEATURES, 7, 7)
    for y, x, i, o in ((0, 6, 3, 1), (5, 2, 7, 11)):
        assert ours["mrcnn_class_conv1/kernel"][y, x, i, o] == dense[o, i, y, x]
    objects = state["rpn.head.cls_logits.weight"]
    for anchor in range(3):
        kernel = ours["rpn_class_raw/kernel"]
        assert not kernel[0, 0, :, 2 * anchor].any() and not ours["rpn_class_raw/bias"][2 * anchor]
        np.testing.assert_array_equal(kernel[0, 0, :, 2 * anchor + 1], objects[anchor, :, 0, 0])
        for mine, yours in enumerate((1, 0, 3, 2)):
            np.testing.assert_array_equal(
                ours["rpn_bbox_pred/kernel"][0, 0, :, 4 * anchor + mine],
                state["rpn.head.bbox_pred.weight"][4 * anchor + yours, :, 0, 0])
    for one in range(CLASSES):
        np.testing.assert_array_equal(ours["mrcnn_class_logits/kernel"][:, one],
                                      state["roi_heads.box_predictor.cls_score.weight"][one])
        for mine, yours in enumerate((1, 0, 3, 2)):
            assert ours["mrcnn_bbox_fc/bias"][4 * one + mine] == (
                state["roi_heads.box_predictor.bbox_pred.bias"][4 * one + yours])
    deconv = state["roi_heads.mask_predictor.conv5_mask.weight"]
    assert ours["mrcnn_mask_deconv/kernel"][1, 0, 2, 3] == deconv[3, 2, 1, 0]


def test_each_number_of_detectron2_has_its_place(paper_model, tmp_path):
    state = detectron2_state()
    report = paper_model.load_weights(write_pickle(tmp_path / "w.pkl", state))
    assert not (report.missing or report.unused or report.skipped)
    ours = weights_of(paper_model)
    stem = state["backbone.bottom_up.stem.conv1.weight"]
    for y, x, i, o in ((0, 6, 0, 1), (2, 3, 2, 5)):
        assert ours["conv1/kernel"][y, x, 2 - i, o] == stem[o, i, y, x]  # BGR there
    for one in range(CLASSES):
        there = (one - 1) % CLASSES  # the background is the last
        np.testing.assert_array_equal(ours["mrcnn_class_logits/kernel"][:, one],
                                      state["roi_heads.box_predictor.cls_score.weight"][there])
        for mine, yours in enumerate((1, 0, 3, 2)):
            found = ours["mrcnn_bbox_fc/bias"][4 * one + mine]
            boxes = state["roi_heads.box_predictor.bbox_pred.bias"]
            assert found == (boxes[4 * there + yours] if one else 0)
        masks = state["roi_heads.mask_head.predictor.weight"]
        found = ours["mrcnn_mask/kernel"][0, 0, :, one]
        np.testing.assert_array_equal(found, masks[there, :, 0, 0] if one else 0 * found)
    np.testing.assert_array_equal(ours["bn2b_branch2b/beta"],
                                  state["backbone.bottom_up.res2.1.conv2.norm.bias"])


def older(name):
    """A weight's name in torchvision before 0.13."""
    for new, old in (("rpn.head.conv.0.0.", "rpn.head.conv."),
                     *((f"roi_heads.mask_head.{i}.0.", f"roi_heads.mask_head.mask_fcn{i + 1}.")
                       for i in range(4))):
        name = name.replace(new, old)
    head, middle, tail = name.partition("_blocks.")
    return f"{head}{middle}{tail.replace('.0.', '.', 1)}" if middle else name


def test_the_older_names_and_wrappings(torchvision_model, tmp_path):
    state = torchvision_state(seed=3)
    torchvision_model.load_weights(write_pickle(tmp_path / "new.pkl", state))
    expected = weights_of(torchvision_model)
    torchvision_model.load_weights(write_pickle(tmp_path / "x.pkl", torchvision_state(seed=4)))
    renamed = {f"module.{older(name)}": array for name, array in state.items()}
    assert len(set(renamed)) == len(state)
    report = torchvision_model.load_weights(
        write_pickle(tmp_path / "old.pkl", {"state_dict": renamed}))
    assert not report.missing
    for name, array in weights_of(torchvision_model).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_variances_follow_the_epsilon(paper_model, torchvision_model, tmp_path):
    state = torchvision_state()
    path = write_pickle(tmp_path / "frozen.pkl", state)
    assert any("does not tell" in note for note in torchvision_model.load_weights(path).notes)
    variance = state["backbone.body.bn1.running_var"]
    np.testing.assert_array_equal(weights_of(torchvision_model)["bn_conv1/moving_variance"],
                                  variance)
    trained = {**state, "backbone.body.bn1.num_batches_tracked": np.int64(7)}
    report = torchvision_model.load_weights(write_pickle(tmp_path / "trained.pkl", trained))
    assert any("epsilon of 1e-05" in note for note in report.notes)
    np.testing.assert_allclose(weights_of(torchvision_model)["bn_conv1/moving_variance"],
                               variance + 1e-5, rtol=1e-7)
    paper_model.load_weights(write_pickle(tmp_path / "two.pkl", detectron2_state()))
    np.testing.assert_array_equal(weights_of(paper_model)["bn_conv1/moving_variance"], variance)


def without(state, start):
    return {name: array for name, array in state.items() if not name.startswith(start)}


W = np.zeros((4, 4, 1, 1), np.float32)
OTHERS = {
    "maskrcnn_resnet50_fpn_v2": lambda: {**torchvision_state(), "roi_heads.box_head.0.0.weight": W},
    "Faster R-CNN": lambda: without(torchvision_state(), "roi_heads.mask"),
    "keypoint": lambda: {**without(torchvision_state(), "roi_heads.mask"),
                         "roi_heads.keypoint_head.0.weight": W},
    "RetinaNet": lambda: {**torchvision_state(), "head.classification_head.conv.0.0.weight": W},
    "classification": lambda: {"conv1.weight": W, "layer1.0.conv1.weight": W, "fc.weight": W},
    "C4 model": lambda: {"backbone.stem.conv1.weight": W, "roi_heads.res5.0.conv1.weight": W},
    "DC5": lambda: {"backbone.stem.conv1.weight": W, "backbone.res2.0.conv1.weight": W},
    "ResNeXt": lambda: {**detectron2_state(), "backbone.bottom_up.res2.0.conv2.weight":
                        np.zeros((16, 2, 3, 3), np.float32)},
    "panoptic": lambda: {**detectron2_state(), "sem_seg_head.p2.0.weight": W},
    "Cascade": lambda: {**detectron2_state(), "roi_heads.box_head.0.fc1.weight": W},
    "deformable": lambda: {**detectron2_state(),
                           "backbone.bottom_up.res3.0.conv2_offset.weight": W},
    "Caffe2": lambda: {"conv1_w": W, "res2_0_branch2a_w": W},
    "have no place here: roi_heads.another": lambda: {**torchvision_state(),
                                                      "roi_heads.another.weight": W},
    "weights such as some.weight": lambda: {"some.weight": W},
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_models_are_refused(torchvision_model, tmp_path, what):
    before = weights_of(torchvision_model)
    path = write_pickle(tmp_path / "other.pkl", OTHERS[what]())
    with pytest.raises(ValueError, match=what) as caught:
        torchvision_model.load_weights(path)
    assert "Expected torchvision's maskrcnn_resnet50_fpn" in str(caught.value)
    for name, array in weights_of(torchvision_model).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_the_wrong_preset_is_named(torchvision_model, paper_model, tmp_path):
    path = write_pickle(tmp_path / "w.pkl", torchvision_state())
    with pytest.raises(ValueError, match=r"RESNET_STYLE = 'caffe'; the file needs 'pytorch'"):
        paper_model.load_weights(path)
    two = write_pickle(tmp_path / "two.pkl", detectron2_state())
    with pytest.raises(ValueError, match="mrcnn.presets.PaperConfig"):
        torchvision_model.load_weights(two)

    class Plain(Config):
        BACKBONE = "resnet18"
        NUM_CLASSES = CLASSES

    with pytest.raises(ValueError) as caught:
        built(Plain, tmp_path).load_weights(path)
    text = str(caught.value)
    for knob in ("RESNET_STYLE", "HEADS_BATCH_NORM", "RPN_ANCHOR_RATIOS", "RPN_BBOX_STD_DEV"):
        assert knob in text
    assert 'with_preset(YourConfig, \'torchvision\')' in text
    assert with_preset(Plain, "torchvision")().RESNET_STYLE == "pytorch"


def test_a_network_for_imagenet_is_a_start(torchvision_model, tmp_path):
    state = imagenet_state()
    path = write_pickle(tmp_path / "resnet.pkl", state)
    training = built(SmallTorchvision, tmp_path, "training")
    report = training.load_weights(path, by_name=True)
    assert not report.unused and not any(n.startswith(("res", "bn", "conv")) for n in
                                         report.missing)
    ours = weights_of(training)
    np.testing.assert_array_equal(ours["res4b_branch2b/kernel"],
                                  state["layer3.1.conv2.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_allclose(ours["bn_conv1/moving_variance"],  # the preset's epsilon is 0
                               state["bn1.running_var"] + 1e-5, rtol=1e-7)
    assert not any("other values" in note for note in report.notes)
    other = built(SmallTorchvision, tmp_path, "training", IMAGE_STD=1.0, RPN_MIN_SIZE=0)
    assert any("other values of IMAGE_STD:" in note for note in other.load_weights(path).notes)
    with pytest.raises(ValueError, match="Inference needs every weight"):
        torchvision_model.load_weights(path)
    with pytest.raises(ValueError, match="RESNET_STYLE = 'caffe'; the file needs 'pytorch'"):
        built(SmallPaper, tmp_path, "training").load_weights(path)
    with pytest.raises(ValueError, match="for ImageNet and no detector"):
        describe(path)


def caffe2_state():
    """{name: array} of detectron2's ResNet for ImageNet, which keeps the names of Caffe2."""
    parts = {"shortcut": "1", "conv1": "2a", "conv2": "2b"}
    weights = {"weight": "gamma", "bias": "beta"}
    state = {"conv1_b": np.ones(WIDTH, np.float32), "fc1000_w": np.zeros((7, 128), np.float32),
             "fc1000_b": np.zeros(7, np.float32)}
    for name, array in detectron2_state(seed=5).items():
        place = name.split(".")[2:]
        if not name.startswith("backbone.bottom_up."):
            continue
        module = "conv1" if place[0] == "stem" else (
            f"{place[0]}_{place[1]}_branch{parts[place[2]]}")
        norm = "norm" in place
        module = f"res_{module}" if norm and module == "conv1" else module
        weight = weights.get(place[-1], place[-1]) if norm else "w"
        state[f"{module}{'_bn' if norm else ''}_{weight}"] = array
    return state


def test_detectron2s_network_for_imagenet_is_a_start(tmp_path):
    training = built(SmallPaper, tmp_path, "training")
    state, expected = caffe2_state(), detectron2_state(seed=5)
    for path in (write_pickle(tmp_path / "R-18.pkl", state),
                 write_pickle(tmp_path / "bare.pkl", {"blobs": state})):
        report = training.load_weights(path, by_name=True)
        assert not report.unused and not any(n.startswith(("res", "bn", "conv")) for n in
                                             report.missing)
    ours, body = weights_of(training), "backbone.bottom_up."
    np.testing.assert_array_equal(
        ours["conv1/kernel"],
        expected[f"{body}stem.conv1.weight"][:, ::-1].transpose(2, 3, 1, 0))
    for mine, yours in (("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean"),
                        ("moving_variance", "running_var")):
        np.testing.assert_array_equal(ours[f"bn_conv1/{mine}"],
                                      expected[f"{body}stem.conv1.norm.{yours}"])
        np.testing.assert_array_equal(ours[f"bn4a_branch1/{mine}"],
                                      expected[f"{body}res4.0.shortcut.norm.{yours}"])
    np.testing.assert_array_equal(ours["res5b_branch2b/kernel"],
                                  expected[f"{body}res5.1.conv2.weight"].transpose(2, 3, 1, 0))
    with pytest.raises(ValueError, match="have no place here: res2_0_branch2a_what"):
        training.load_weights(write_pickle(tmp_path / "odd.pkl",
                                           {**state, "res2_0_branch2a_what": W}))


def test_settings_that_change_answers_are_noted(tmp_path):
    model = built(SmallTorchvision, tmp_path, MASK_PASTE_FRAME=False, RPN_MIN_SIZE=0)
    report = model.load_weights(write_pickle(tmp_path / "w.pkl", torchvision_state()))
    assert any("RPN_MIN_SIZE, MASK_PASTE_FRAME" in note for note in report.notes)
    model = built(SmallPaper, tmp_path)
    report = model.load_weights(write_pickle(tmp_path / "two.pkl", detectron2_state()))
    sampled = any("ROI_ALIGN_SAMPLING_RATIO = 0" in note for note in report.notes)
    assert sampled == (SmallPaper.ROI_ALIGN_SAMPLING_RATIO != 0)


def test_another_number_of_classes(torchvision_model, tmp_path):
    path = write_pickle(tmp_path / "w.pkl", torchvision_state(classes=7))
    with pytest.raises(ValueError, match="the file has 7 classes, this model 4"):
        torchvision_model.load_weights(path)
    training = built(SmallTorchvision, tmp_path, "training")
    with pytest.raises(ValueError, match='exclude="heads"'):
        training.load_weights(path)
    report = training.load_weights(path, exclude="heads")
    assert {name.partition("/")[0] for name, _, _ in report.skipped} == {
        "mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
    assert not report.missing


def test_infinite_and_missing_numbers(torchvision_model, tmp_path):
    state = torchvision_state()
    broken = {**state, "rpn.head.conv.0.0.bias": np.full(FEATURES, np.nan, np.float32)}
    with pytest.raises(ValueError, match="rpn_model/rpn_conv_shared/bias holds NaN"):
        torchvision_model.load_weights(write_pickle(tmp_path / "nan.pkl", broken))
    with pytest.raises(ValueError, match="2 weights are not in it: fpn_p3/kernel"):
        torchvision_model.load_weights(
            write_pickle(tmp_path / "part.pkl", without(state, "backbone.fpn.layer_blocks.1")))


def test_another_backbone(tmp_path):
    model = built(SmallTorchvision, tmp_path, BACKBONE="resnet34")
    with pytest.raises(ValueError, match='file holds a resnet18, this model a resnet34'):
        model.load_weights(write_pickle(tmp_path / "w.pkl", torchvision_state()))
