"""Opens a SavedModel as people do who never heard of mrcnn: folder, images.npz, answers.npz.

Each image is looked at by `detect` in one of several threads, then once more through the
signature of that name.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf


def main(folder, source, target):
    loaded = tf.saved_model.load(folder)
    with np.load(source) as file:
        images = [file[f"image_{i}"] for i in range(len(file.files))]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(loaded.detect, images))
    arrays = {f"{name}_{i}": value.numpy() for i, answer in enumerate(answers)
              for name, value in answer.items()}
    signature = loaded.signatures["detect"](image=tf.constant(images[0]))
    arrays |= {f"{name}_signature": value.numpy() for name, value in signature.items()}
    np.savez(target, **arrays)
    if "mrcnn" in sys.modules:
        sys.exit("mrcnn was imported")


if __name__ == "__main__":
    main(*sys.argv[1:])
