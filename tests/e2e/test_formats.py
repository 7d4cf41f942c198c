"""Every format from its file to the network: read, checked, drawn, and trained on together."""

import importlib.util

import matplotlib
import numpy as np
import pytest

from mrcnn import check_dataset, load_dataset, visualize

matplotlib.use("Agg")

TINY_SETS = "tests/data/formats/tiny_sets.py"
CLASSES = ["cat", "dog", "object"]


@pytest.fixture(scope="module")
def formats(request):
    """Name -> function that writes the set of a format into a folder."""
    spec = importlib.util.spec_from_file_location("tiny_sets", request.config.rootpath / TINY_SETS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FORMATS


@pytest.fixture(scope="module")
def folders(formats, tmp_path_factory):
    """Name -> folder of a set of three images."""
    made = {}
    for name, write in formats.items():
        made[name] = tmp_path_factory.mktemp(name)
        write(made[name])
    return made


def test_each_is_read_checked_and_drawn(folders, tmp_path):
    for name, folder in folders.items():
        dataset = load_dataset(folder, classes=CLASSES)
        assert dataset.class_names == ["BG", *CLASSES]
        assert len(dataset.image_ids) == 3, name
        report = check_dataset(dataset)
        assert report.clean, f"{name}: {report}"
        image, (masks, class_ids) = dataset.load_image(1), dataset.load_mask(1)
        figure = visualize.display_instances(image, boxes_of(masks), masks, class_ids,
                                             dataset.class_names, figsize=(3, 3))
        figure.savefig(tmp_path / f"{name}.png")
        painted = matplotlib.image.imread(tmp_path / f"{name}.png")
        colours = np.unique((painted[..., :3] * 255).astype(int).reshape(-1, 3), axis=0)
        assert len(colours) > 200, f"{name}: nothing but paper"


def boxes_of(masks):
    """[N, 4] boxes of masks, by a way that is not the library's."""
    boxes = [[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
             for rows, columns in (np.nonzero(masks[:, :, i]) for i in range(masks.shape[2]))]
    return np.array(boxes)


def test_all_of_them_train_together(folders, tmp_path, monkeypatch):
    from tiny import tiny_config

    from mrcnn import MaskRCNN

    dataset = load_dataset(list(folders.values()), classes=CLASSES)
    read = []
    load_image_as = type(dataset).load_image_as
    monkeypatch.setattr(type(dataset), "load_image_as", lambda self, image_id, channels: (
        read.append(image_id), load_image_as(self, image_id, channels))[1])
    config = tiny_config(NUM_CLASSES=1 + len(CLASSES), STEPS_PER_EPOCH=11, LOADER_WORKERS=0)
    model = MaskRCNN("training", config, str(tmp_path))
    history = model.train(dataset, None, learning_rate=0.001, epochs=1, layers="all")
    assert set(read) >= set(range(3 * len(folders)))
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert model.class_names == ["BG", *CLASSES]
