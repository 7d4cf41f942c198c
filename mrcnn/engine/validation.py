"""mAP while training: the model that trains, asked for detections after each epoch."""

import copy
import warnings

import keras
import numpy as np

from mrcnn.engine import inference, keras_models
from mrcnn.engine.evaluating import check_same_classes, chosen_images, evaluate
from mrcnn.evaluation.coco import check_iou_type

METRIC = "val_mAP"


def inference_twin(model):
    """A MaskRCNN that detects with the weights of one that trains; they are shared, not copied.

    The graph is the one that `build` gives for inference, on the training model's layers. It
    follows every step of training, and is compiled once. Batch-norm uses its stored statistics.
    Its `run_graph` knows the training model's layers by their place in training: for looking
    inside, load a checkpoint.

    Args:
        model: MaskRCNN in training mode.

    Returns:
        A MaskRCNN in inference mode with the same config.
    """
    graph = _on_layers_of(model.keras_model, model.build("inference", model.config))
    twin = copy.copy(model)
    twin.mode, twin.keras_model = "inference", keras_models.of_mode(graph, "inference")
    twin.network = inference.CompiledNetwork(twin.keras_model)
    return twin


def _on_layers_of(trained, fresh):
    """The graph of `fresh`, each layer with weights replaced by that of its name in `trained`.

    Those without weights are made again, or they would keep `fresh` and its weights in memory.
    """

    def counterpart(layer):
        if layer.weights:
            return trained.get_layer(layer.name)
        try:
            return type(layer).from_config(layer.get_config())
        except (NotImplementedError, TypeError, ValueError):  # of a backbone that cannot be saved
            return layer

    return keras.models.clone_model(fresh, clone_function=counterpart)


class MeanAveragePrecision(keras.callbacks.Callback):
    """Put `val_mAP`, `val_mAP50` and `val_mAP75` into the logs after an epoch.

        model.train(..., custom_callbacks=[
            mrcnn.MeanAveragePrecision(dataset_val),
            keras.callbacks.EarlyStopping("val_mAP", mode="max", patience=5)])

    For `custom_callbacks` of `MaskRCNN.train`, which runs it before all others, wherever it
    stands in the list: History, the checkpoint and callbacks that monitor `val_mAP` see it. They
    are COCO's AP, AP50 and AP75, 0 to 1, higher is better. Weights are shared with the training
    model, and what is trained does not depend on whether this runs.

    Between evaluations (`every` above 1) the values are absent. EarlyStopping and
    ReduceLROnPlateau then wait, so that their patience counts evaluations, not epochs.

    Args:
        dataset: prepared Dataset with the model's classes.
        every: epochs from one evaluation to the next, counted over the whole run.
        limit: number of images, the first ones; None or 0 for all.
        image_ids: these images in place of all.
        iou_type: "segm" compares masks, "bbox" boxes.
        min_confidence: detections below it are left out, see `MaskRCNN.evaluate`.
        per_class: also log `val_mAP_<class name>`; absent for a class without objects.
        verbose: 1 shows how far it is.

    Attributes:
        evaluation: the Evaluation of the last time, with all its tables; None before.

    Raises:
        ValueError: `every`, `iou_type` or `limit` cannot work.
    """

    def __init__(self, dataset, every=1, limit=None, image_ids=None, iou_type="segm",
                 min_confidence=0.05, per_class=False, verbose=1):
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every: expected a whole number of epochs from 1, received {every!r}")
        check_iou_type(iou_type)
        chosen_images(dataset, limit, image_ids)  # says at once what cannot work
        self.dataset, self.every, self.iou_type = dataset, every, iou_type
        self.limit, self.image_ids = limit, image_ids
        self.min_confidence, self.per_class = min_confidence, per_class
        self.verbose = verbose
        self.evaluation = None
        self._of, self._twin = None, None

    def attach(self, model):
        """Make the twin of a model; `MaskRCNN.train` calls this before the first step.

        Args:
            model: MaskRCNN in training mode.

        Raises:
            ValueError: the dataset has other classes, or no object to measure by.
        """
        check_same_classes(model, self.dataset)
        ids = self._images()
        if not any(np.any(np.asarray(self.dataset.load_mask(i)[1]) > 0) for i in ids):
            raise ValueError(f"MeanAveragePrecision: no object in {len(ids)} images, so there is "
                             f"no {METRIC} to measure")
        if self._of is not model:
            self._of, self._twin = model, inference_twin(model)
        self._twin.class_names = model.class_names

    def _images(self):
        """The images asked for, without those that FAULTY_IMAGES has taken out by now."""
        there = {int(i) for i in self.dataset.image_ids}
        return [i for i in chosen_images(self.dataset, self.limit, self.image_ids) if i in there]

    def on_train_begin(self, logs=None):
        """ValueError where `attach` was not called: outside of `MaskRCNN.train`."""
        if self._twin is None:
            raise ValueError("MeanAveragePrecision belongs into custom_callbacks of "
                             "MaskRCNN.train")

    def on_epoch_end(self, epoch, logs=None):
        """Detect, measure, log."""
        if (epoch + 1) % self.every:
            return
        if self.verbose:
            print(flush=True)  # the progress bar of the epoch has not ended its line
        with warnings.catch_warnings():
            # hundreds of doubtful detections are what an early epoch has
            warnings.filterwarnings("ignore", message=".*reached DETECTION_MAX_INSTANCES")
            self.evaluation = evaluate(
                self._twin, self.dataset, iou_types=(self.iou_type,), image_ids=self._images(),
                min_confidence=self.min_confidence, verbose=self.verbose)
        logs.update(self._values())

    def _values(self):
        """{name in the logs: number} of the last evaluation."""
        numbers = self.evaluation[self.iou_type]
        values = {METRIC: numbers["AP"], f"{METRIC}50": numbers["AP50"],
                  f"{METRIC}75": numbers["AP75"]}
        if self.per_class:
            rows = {row["name"]: row[self.iou_type]["AP"] for row in self.evaluation.per_class}
            values |= {f"{METRIC}_{name}": ap for name, ap in rows.items() if ap >= 0}
        return {name: float(value) for name, value in values.items()}
