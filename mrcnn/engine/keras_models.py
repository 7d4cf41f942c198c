"""The keras.Model that `MaskRCNN.keras_model` is, in either mode."""

import os

import keras

from mrcnn.engine.weights import save_weights
from mrcnn.nets.training_model import TrainingModel


class _SavesLegacyFiles:
    """`save_weights("name.h5")` writes the legacy layout, as scripts for Keras 2 expect."""

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """Keras' own, except that a path on `.h5` alone gets the layout old ports read."""
        name = str(filepath)
        if name.endswith(".h5") and not name.endswith(".weights.h5"):
            if not overwrite and os.path.exists(name):
                raise FileExistsError(f"{name} exists, and overwrite is False")
            save_weights(self, name)
        else:
            super().save_weights(filepath, overwrite=overwrite, **kwargs)


@keras.saving.register_keras_serializable(package="mrcnn")
class DetectionModel(_SavesLegacyFiles, keras.Model):
    """The inference graph."""


@keras.saving.register_keras_serializable(package="mrcnn")
class LearningModel(_SavesLegacyFiles, TrainingModel):
    """The training graph, with its losses."""

    def get_config(self):
        """The graph, and how its losses are weighed."""
        return {**super().get_config(), "loss_weights": self.loss_weights,
                "weight_decay": self.weight_decay, "decay_mode": self.decay_mode}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of `get_config`."""
        graph = {**config}
        losses, decay = graph.pop("loss_weights"), graph.pop("weight_decay")
        mode = graph.pop("decay_mode", "mean")
        model = super().from_config(graph, custom_objects=custom_objects)
        model.configure_losses(losses, decay, mode)
        return model


def of_mode(model, mode):
    """A built graph as the model of a mode.

    Args:
        model: functional keras.Model.
        mode: "training" or "inference".

    Returns:
        LearningModel or DetectionModel on the same layers.

    Raises:
        ValueError: a training graph without the five losses among its outputs.
    """
    kind = LearningModel if mode == "training" else DetectionModel
    return kind(inputs=model.inputs, outputs=model.outputs, name=model.name)
