"""Trains and waits in the second step of the second epoch for Ctrl-C; then the same again.

    python interrupted_training.py <folder for logs>
"""

import sys

import keras
import tensorflow as tf
import tiny


class Waiting(keras.callbacks.Callback):
    """Says when the step has come, and ends it when a line arrives."""

    def on_train_batch_end(self, batch, logs=None):
        """The step still runs for those callbacks that come after this one."""
        if int(self.model.optimizer.iterations) == 3:
            print("READY", flush=True)
            sys.stdin.readline()


if __name__ == "__main__":
    tf.config.run_functions_eagerly(True)
    for _ in range(2):
        model = tiny.training_model(sys.argv[1])
        try:
            tiny.train(model, 2, "heads", custom_callbacks=[Waiting()], verbose=0)
        except KeyboardInterrupt:
            print("RAISED", model.epoch, flush=True)
