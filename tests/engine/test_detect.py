"""`detect`: any images, the same answers each time, changes that take effect, clear errors.

The network has random weights; with no lower bound of confidence it finds something everywhere.
"""

import inspect
import threading
import warnings

import keras
import numpy as np
import pytest
from tolerances import NETWORK

from mrcnn.config import Config
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.geometry.lazy_masks import LazyMasks, PackedMasks
from mrcnn.results import Result


class DetectConfig(Config):
    NAME = "detect"
    BACKBONE = "resnet18"
    NUM_CLASSES = 3
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 64
    IMAGE_RESIZE_MODE = "pad64"
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TOP_DOWN_PYRAMID_SIZE = RPN_CONV_CHANNELS = MASK_CONV_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    POST_NMS_ROIS_INFERENCE = 40
    DETECTION_MAX_INSTANCES = 60  # more than can be found: no warning of the limit
    DETECTION_MIN_CONFIDENCE = 0.0


def build(tmp_path, **knobs):
    config = DetectConfig()
    for name, value in knobs.items():
        setattr(config, name, value)
    keras.utils.set_random_seed(3)
    model = MaskRCNN("inference", config, tmp_path)
    conv1 = model.keras_model.get_layer("conv1").kernel
    conv1.assign(conv1.numpy() / 50)  # as if images had unit variance: no certain scores
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build(tmp_path_factory.mktemp("logs"))


@pytest.fixture
def config(model):
    """The shared model's config, put back afterwards."""
    before = dict(vars(model.config))
    yield model.config
    vars(model.config).clear()
    vars(model.config).update(before)


def images_of(*shapes, seed=0, channels=3):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (*shape, channels)).astype(np.uint8) for shape in shapes]


IMAGES = images_of((64, 64), (50, 90), (64, 64), (130, 70), (40, 40), (64, 64), (33, 128))


def assert_same(results, expected):
    """Equal answers, up to the last bits that another batch size may change."""
    assert len(results) == len(expected)
    for result, want in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result["class_ids"], want["class_ids"])
        np.testing.assert_allclose(result["scores"], want["scores"], atol=NETWORK)
        np.testing.assert_allclose(result["rois"], want["rois"], atol=1)
        different = (result["masks"] != want["masks"]).sum()
        assert different <= 0.001 * want["masks"].size


@pytest.fixture(scope="module")
def expected(model):
    return model.detect(IMAGES)


def test_results_have_the_documented_form(expected):
    for image, result in zip(IMAGES, expected, strict=True):
        count = len(result["class_ids"])
        assert count > 0
        assert list(result) == ["rois", "class_ids", "scores", "masks"]
        assert result["rois"].shape == (count, 4) and result["rois"].dtype == np.int32
        assert result["scores"].shape == (count,) and result["scores"].dtype == np.float32
        assert result["class_ids"].dtype == np.int32
        assert set(result["class_ids"]) <= {1, 2}
        assert result["masks"].shape == (*image.shape[:2], count)
        assert result["masks"].dtype == bool
        assert (np.diff(result["scores"]) <= 0).all(), "best first"
        assert (result["rois"][:, :2] >= 0).all()
        assert (result["rois"][:, 2:] <= image.shape[:2]).all()


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_any_number_of_any_sizes_whatever_the_batch_size(model, config, expected, batch_size):
    config.BATCH_SIZE = batch_size
    assert_same(model.detect(IMAGES), expected)
    assert_same(model.detect(IMAGES[3:4]), expected[3:4])


def test_the_same_answer_call_after_call(model, expected):
    for _ in range(3):
        for result, want in zip(model.detect(IMAGES), expected, strict=True):
            for key in want:
                np.testing.assert_array_equal(result[key], want[key])


def test_no_images_give_no_results(model):
    assert model.detect([]) == []


@pytest.mark.parametrize(("mode", "shapes"), [
    ("square", [(64, 64), (50, 90), (31, 20)]),
    ("none", [(64, 64), (64, 128), (192, 64)]),
])
def test_other_resize_modes(tmp_path, mode, shapes):
    model = build(tmp_path, IMAGE_RESIZE_MODE=mode)
    images = images_of(*shapes)
    results = model.detect(images)
    for image, result in zip(images, results, strict=True):
        assert len(result["rois"]) > 0
        assert result["masks"].shape[:2] == image.shape[:2]
        assert_same(model.detect([image]), [result])


def test_thirty_calls_of_many_sizes_trace_once(tmp_path):
    model = build(tmp_path)
    for i in range(30):
        model.detect(images_of((40 + 9 * i, 64 + 5 * (i % 7)), seed=i))
    assert model.network.traces == 1


def test_eight_threads_get_equal_answers(model, expected):
    answers, errors = {}, []

    def work(name):
        try:
            answers[name] = model.detect(IMAGES[:2])
        except Exception as error:  # shown below: a thread must not hide it
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(answers) == 8
    for answer in answers.values():
        assert_same(answer, expected[:2])


def test_quiet_unless_asked(model, capsys):
    model.detect(IMAGES[:2])
    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "")
    model.detect(IMAGES[:2], verbose=1)
    out = capsys.readouterr().out
    assert "molded_images" in out and "anchors" in out


# --- changes after the model was built ------------------------------------------------------


def test_confidence_takes_effect_after_building(model, config, expected):
    scores = np.sort(expected[0]["scores"])
    config.DETECTION_MIN_CONFIDENCE = float(scores[len(scores) // 2])
    found = model.detect(IMAGES[:1])[0]
    assert len(found["scores"]) == (scores >= config.DETECTION_MIN_CONFIDENCE).sum() < len(scores)
    config.DETECTION_MIN_CONFIDENCE = 0.0
    assert_same(model.detect(IMAGES[:1]), expected[:1])


def test_nms_threshold_takes_effect_after_building(model, config, expected):
    config.DETECTION_NMS_THRESHOLD = 0.9
    more = len(model.detect(IMAGES[:1])[0]["rois"])
    config.DETECTION_NMS_THRESHOLD = 0.01
    fewer = len(model.detect(IMAGES[:1])[0]["rois"])
    assert fewer < more


def test_a_limit_that_cut_results_is_a_warning(model, config, expected):
    count = len(expected[0]["rois"])
    config.DETECTION_MAX_INSTANCES = count - 2
    with pytest.warns(UserWarning, match=rf"DETECTION_MAX_INSTANCES = {count - 2}"):
        found = model.detect(IMAGES[:1])[0]
    np.testing.assert_array_equal(found["scores"], expected[0]["scores"][:-2])
    config.DETECTION_MAX_INSTANCES = count + 30  # more than the model was built with, too
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(model.detect(IMAGES[:1]), expected[:1])


def test_a_change_of_a_built_in_knob_is_a_warning(model, config):
    config.POOL_SIZE = 5
    with pytest.warns(UserWarning, match=r"POOL_SIZE changed from 7 to 5.*build a new MaskRCNN"):
        model.detect(IMAGES[:1])
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        model.detect(IMAGES[:1])
    config.POOL_SIZE = 7
    with pytest.warns(UserWarning, match="POOL_SIZE changed from 5 to 7"):
        model.detect(IMAGES[:1])


@pytest.mark.parametrize(("molded", "metas"), [
    ((0, 64, 64, 3), (0, 15)), ((1, 64, 64, 3), (1, 12)), ((64, 64, 3), (1, 15)),
    ((2, 64, 64, 3), (1, 15))])
def test_molded_images_of_other_shapes(model, molded, metas):
    with pytest.raises(ValueError, match=r"detect_molded: expected .*\[B, H, W, C\]"):
        model.detect_molded(np.zeros(molded), np.zeros(metas))


def test_anchors_and_frame_stay_those_of_the_graph(model, config, expected):
    before = config.RPN_ANCHOR_SCALES, config.BOX_NORMALIZATION
    config.RPN_ANCHOR_SCALES = [2 * scale for scale in before[0]]
    config.BOX_NORMALIZATION = "edges"
    model._anchors_of.cache_clear()
    with pytest.warns(UserWarning, match="RPN_ANCHOR_SCALES changed"):
        found = model.detect(IMAGES)
    assert_same(found, expected)
    config.RPN_ANCHOR_SCALES, config.BOX_NORMALIZATION = before
    with pytest.warns(UserWarning, match="RPN_ANCHOR_SCALES changed"):
        model.detect(IMAGES[:1])


# --- options of a call ----------------------------------------------------------------------


def test_results_know_their_image_and_classes(model, expected):
    for image, result in zip(IMAGES, expected, strict=True):
        assert type(result) is Result
        assert result.image is image and result.image_shape == image.shape[:2]
        assert result.class_names is None
    model.class_names = ["BG", "cat", "dog"]
    try:
        assert set(model.detect(IMAGES[:1])[0].labels) <= {"cat", "dog"}
    finally:
        model.class_names = None


@pytest.mark.parametrize("form", ["lazy", "rle"])
def test_masks_in_other_forms_are_the_same_masks(model, expected, form):
    for result, want in zip(model.detect(IMAGES, masks=form), expected, strict=True):
        np.testing.assert_array_equal(np.asarray(result.windowed_masks()), want["masks"])
        np.testing.assert_array_equal(result["rois"], want["rois"])
        assert type(result["masks"]) is {"lazy": LazyMasks, "rle": list}[form]
        assert result.rles == want.rles


def test_confidence_of_a_call_counts_above_and_below_the_config(model, config, expected):
    before = model.network.traces
    scores = expected[0]["scores"]
    config.DETECTION_MIN_CONFIDENCE = float(scores[3])
    assert len(model.detect(IMAGES[:1])[0]["scores"]) == 4
    for lowest in (0.0, float(scores[5]), float(scores[1]), 1):
        found = model.detect(IMAGES[:1], min_confidence=lowest)[0]
        np.testing.assert_array_equal(found["scores"], scores[scores >= np.float32(lowest)])
    assert config.DETECTION_MIN_CONFIDENCE == float(scores[3])
    assert model.network.traces == before == 1


@pytest.fixture
def of_two_classes(model):
    """What the shared model finds once its second class is as likely as the first."""
    bias = model.keras_model.get_layer("mrcnn_class_logits").weights[1]
    before = bias.numpy()
    bias.assign([0.0, 0.0, 3.3])
    results = model.detect(IMAGES)
    assert set(results[0]["class_ids"]) == {1, 2}
    yield results
    bias.assign(before)


def test_classes_of_a_call(model, of_two_classes):
    for class_id in (1, 2):
        found = model.detect(IMAGES, classes=[class_id])
        assert_same(found, [result.filter(classes=class_id) for result in of_two_classes])
    assert_same(model.detect(IMAGES[:1], classes=(1, 2)), of_two_classes[:1])
    assert model.detect(IMAGES[:1], classes=[])[0].count == 0


def test_across_classes_takes_effect_at_once(model, config, of_two_classes):
    config.DETECTION_NMS_ACROSS_CLASSES = 0.05
    fewer = model.detect(IMAGES)
    assert sum(result.count for result in fewer) < sum(result.count for result in of_two_classes)
    for result in fewer:
        class_ids, boxes = result["class_ids"], result["rois"]
        apart = class_ids[:, None] != class_ids
        np.testing.assert_array_less(compute_overlaps(boxes, boxes) * apart, 0.15)  # of rounding


def test_the_limit_counts_only_the_classes_asked_for(model, config, of_two_classes):
    class_id = int(of_two_classes[0]["class_ids"][-1])
    want = of_two_classes[0].filter(classes=class_id).select([0, 1])
    config.DETECTION_MAX_INSTANCES = 2
    with pytest.warns(UserWarning, match="DETECTION_MAX_INSTANCES = 2.*MAX_OBJECTS_PER_IMAGE"):
        found = model.detect(IMAGES[:1], classes=class_id)
    assert_same(found, [want])


def test_threads_with_options_of_their_own(model, expected):
    scores = expected[0]["scores"]
    limits = [float(score) for score in scores[:4]]
    answers, errors = {}, []

    def work(place):
        try:
            for _ in range(2):
                answers[place] = model.detect(IMAGES[:1], min_confidence=limits[place])[0]
        except Exception as error:  # shown below: a thread must not hide it
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(limits))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for place, limit in enumerate(limits):
        assert answers[place].count == (scores >= np.float32(limit)).sum()


@pytest.mark.parametrize(("options", "message"), [
    ({"classes": ["cat"]}, "classes: 'cat' is not known; known are no names here"),
    ({"classes": [3]}, r"classes: 3 is no class to detect: expected ids of 1 to 2"),
    ({"classes": [0]}, "classes: 0 is no class to detect"),
    ({"min_confidence": 1.5}, "min_confidence = 1.5: must be a number at least 0 and at most 1"),
    ({"min_confidence": "high"}, "min_confidence = 'high'"),
    ({"masks": "polygons"}, r"masks = 'polygons': expected one of \['array', 'lazy', 'rle'\]"),
])
def test_an_option_that_is_none_is_named(model, options, message):
    for detect in (lambda **more: model.detect(IMAGES[:1], **more),
                   lambda **more: model.detect_tiled(IMAGES[0], **more)):
        with pytest.raises(ValueError, match=message):
            detect(**options)


def test_a_path_is_answered_with_how_to_read_it(model, tmp_path):
    with pytest.raises(TypeError, match=r"received the path a.jpg; .*read_image\(path\)"):
        model.detect("a.jpg")
    with pytest.raises(TypeError, match=r"images\[1\].*a.jpg.*read_image\(path\)"):
        model.detect([GOOD, tmp_path / "a.jpg"])


def test_an_image_of_one_tile_is_detected_as_ever(model, expected):
    for place in (0, 4):
        tiled = model.detect_tiled(IMAGES[place], masks="array")
        assert_same([tiled], [expected[place]])
        assert tiled.image is IMAGES[place]


@pytest.mark.parametrize(("form", "kind"), [("lazy", PackedMasks), ("rle", list)])
def test_tiles_of_a_larger_image(model, form, kind):
    image = images_of((130, 200), seed=4)[0]
    result = model.detect_tiled(image, tile=64, overlap=0.4, masks=form)
    assert result.count > 0 and type(result["masks"]) is kind
    assert np.asarray(result.windowed_masks()).shape == (130, 200, result.count)
    assert (np.diff(result["scores"]) <= 0).all()
    highest = float(result["scores"][2])
    fewer = model.detect_tiled(image, 64, 0.4, min_confidence=highest, classes=[1])
    assert set(fewer["class_ids"]) <= {1} and (fewer["scores"] >= np.float32(highest)).all()


def test_evaluate_hands_its_arguments_on(model, monkeypatch):
    from mrcnn.engine import evaluating

    parameters = inspect.signature(evaluating.evaluate).parameters
    mine = inspect.signature(MaskRCNN.evaluate).parameters
    assert [(name, one.default) for name, one in list(mine.items())[1:]] == [
        (name, one.default) for name, one in list(parameters.items())[1:]]
    monkeypatch.setattr(evaluating, "evaluate", lambda *arguments: arguments)
    assert model.evaluate("set", verbose=0, limit=3) == (
        model, "set", ("bbox", "segm"), 3, None, 0.05, (0.5, 0.75), None, 0, 0.5)


# --- channels -------------------------------------------------------------------------------


def test_grey_and_alpha_images_become_rgb(model):
    grey = images_of((64, 64), channels=1)[0]
    rgb = np.repeat(grey, 3, axis=-1)
    alpha = np.concatenate([rgb, grey], axis=-1)
    want = model.detect([rgb])
    for image in (grey, grey[..., 0], alpha):
        assert_same(model.detect([image]), want)


def test_five_channels(tmp_path):
    model = build(tmp_path, IMAGE_CHANNEL_COUNT=5)
    images = images_of((64, 64), (50, 90), channels=5)
    assert [len(r["rois"]) > 0 for r in model.detect(images)] == [True, True]
    with pytest.raises(ValueError, match=r"images\[1\].*expected 5 channels"):
        model.detect([images[0], IMAGES[0]])


# --- bad input ------------------------------------------------------------------------------

GOOD = IMAGES[0]


@pytest.mark.parametrize(("images", "error", "message"), [
    (GOOD, TypeError, r"a list of images, received one array; pass \[image\]"),
    (3, TypeError, "expected a list of arrays, received int"),
    ([GOOD, None], TypeError, r"images\[1\].*received NoneType"),
    ([GOOD, "cat.jpg"], TypeError, r"images\[1\].*received str"),
    ([GOOD.astype(object)], TypeError, r"images\[0\].*received object"),
    ([GOOD > 3], TypeError, r"images\[0\].*received bool"),
    ([GOOD.astype(complex)], TypeError, r"images\[0\].*received complex"),
    ([GOOD, GOOD[..., :2]], ValueError, r"images\[1\].*expected 3 channels.*\(64, 64, 2\)"),
    ([GOOD[None]], ValueError, r"images\[0\].*received shape \(1, 64, 64, 3\)"),
    ([GOOD[:0]], ValueError, r"images\[0\].*empty"),
    ([np.where(GOOD == GOOD[5, 5], np.nan, GOOD)], ValueError, r"images\[0\].*NaN"),
    ([GOOD, np.full((9, 9, 3), np.inf)], ValueError, r"images\[1\].*NaN or infinite"),
], ids=lambda value: None)
def test_a_bad_image_is_named(model, images, error, message):
    with pytest.raises(error, match=message):
        model.detect(images)


def test_unknown_mode(tmp_path):
    with pytest.raises(ValueError, match="'testing'.*'training' or 'inference'"):
        MaskRCNN("testing", DetectConfig(), tmp_path)


def test_config_class_instead_of_an_instance(tmp_path):
    with pytest.raises(TypeError, match=r"expected an instance.*DetectConfig"):
        MaskRCNN("inference", DetectConfig, tmp_path)


def test_something_else_for_a_config(tmp_path):
    with pytest.raises(TypeError, match="config"):
        MaskRCNN("inference", {"NAME": "x"}, tmp_path)


def test_training_calls_need_the_training_mode(model):
    with pytest.raises(ValueError, match="training mode; it was built for inference"):
        model.train(None, None, 0.1, 1, "all")


def test_building_writes_nothing(tmp_path):
    build(tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


def test_crop_mode_sees_the_whole_image(tmp_path):
    cropping = build(tmp_path, IMAGE_RESIZE_MODE="crop")
    first, second = (cropping.detect(IMAGES) for _ in range(2))
    assert_same(second, first)
    padding = build(tmp_path, IMAGE_RESIZE_MODE="pad64")
    assert_same(first, padding.detect(IMAGES))


def test_a_changed_limit_reaches_predict_too(tmp_path):
    model = build(tmp_path)
    molded, metas, _ = model.mold_inputs(IMAGES[:1])
    inputs = [molded, metas, model.get_anchors(molded.shape[1:])[None]]
    assert model.keras_model.predict(inputs, verbose=0)[0].shape == (1, 60, 6)
    model.config.DETECTION_MAX_INSTANCES = 4
    with pytest.warns(UserWarning, match="DETECTION_MAX_INSTANCES"):
        model.detect(IMAGES[:1])
    assert model.keras_model.predict(inputs, verbose=0)[0].shape == (1, 4, 6)


def test_a_changed_knob_is_checked(model, config):
    config.DETECTION_MIN_CONFIDENCE = 7
    with pytest.raises(ValueError, match="DETECTION_MIN_CONFIDENCE = 7"):
        model.detect(IMAGES[:1])


def test_verbose_names_each_image_once(model, capsys):
    model.detect(IMAGES, verbose=1)
    printed = capsys.readouterr().out
    assert printed.count("Processing 7 images") == 1
    assert printed.count("\nimage ") == 7
    assert "min:          0  max:        255  uint8" in printed


def test_mold_inputs_of_several_shapes_says_so(model):
    with pytest.raises(ValueError, match=r"one molded shape.*\(64, 64, 3\).*\(64, 128, 3\)"):
        model.mold_inputs(IMAGES[:2])


def test_saving_weights_under_a_plain_h5_name(model, tmp_path):
    path = tmp_path / "all.h5"
    model.keras_model.save_weights(str(path))
    other = build(tmp_path)
    for weight in other.keras_model.weights:
        weight.assign(weight * 0.0)
    other.load_weights(str(path), by_name=True)
    assert_same(other.detect(IMAGES[:1]), model.detect(IMAGES[:1]))
    with pytest.raises(FileExistsError, match="all.h5"):
        model.keras_model.save_weights(str(path), overwrite=False)


def test_a_build_of_ones_own_may_answer_a_plain_model(tmp_path):
    class Mine(MaskRCNN):
        def build(self, mode, config):
            graph = super().build(mode, config)
            extra = keras.layers.Identity(name="extra")(graph.outputs[-1])
            return keras.Model(graph.inputs, [*graph.outputs, extra])

    mine = Mine("training", DetectConfig(), tmp_path)
    mine.compile(0.01, 0.9)
    losses = {name: float(i) for i, name in enumerate(mine.keras_model.loss_trackers, start=1)}
    outputs = [losses.get(name, 100.0) for name in mine.keras_model.output_names]
    total = mine.keras_model.compute_loss(y_pred=outputs) - mine.keras_model.decay_loss()
    np.testing.assert_allclose(float(total), 1 + 2 + 3 + 4 + 5, rtol=NETWORK)


def test_a_training_graph_without_the_losses_is_refused(tmp_path):
    class Mine(MaskRCNN):
        def build(self, mode, config):
            graph = super().build(mode, config)
            return keras.Model(graph.inputs, graph.outputs[:-1])

    with pytest.raises(ValueError, match="no output named mrcnn_mask_loss"):
        Mine("training", DetectConfig(), tmp_path)


def test_more_than_8_bits_are_a_warning_where_the_model_knows_8(model, monkeypatch):
    wide = IMAGES[0].astype(np.uint16) * 257
    with pytest.warns(UserWarning, match=r"images\[1\] holds values up to 65\d\d\d.*by 257"):
        model.detect([IMAGES[0], wide])
    monkeypatch.setattr(model.config, "MEAN_PIXEL", np.full(3, 30_000.0))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="images")
        model.detect([wide])


def test_floats_in_0_to_1_are_a_warning(model):
    image = IMAGES[0].astype(np.float32)
    with pytest.warns(UserWarning, match=r"images\[1\] holds floats of at most 1.*0..255"):
        model.detect([image, image / 255])
