"""The door of a training: a set that was read from annotation files is checked before it."""

from mrcnn.data.check.checking import check_dataset
from mrcnn.data.check.progress import progress_bar
from mrcnn.data.dataset import DataError
from mrcnn.data.formats.annotated import AnnotatedDataset

CURE = 'Repair the set, or train without exactly these images with FAULTY_IMAGES = "skip".'
MOST_SHOWN = 200  # findings of one kind in the message of an error


def admit(dataset, config, name):
    """Checks an AnnotatedDataset as config.FAULTY_IMAGES says; other datasets pass unseen.

    "refuse" raises where there is a fault, "skip" takes the faulty images out of
    `dataset.image_ids`, "use" does nothing. Images skipped before count no more. A dataset that
    was let in is not looked at again; its `admitted_for` notes for which number of channels.

    Args:
        dataset: a prepared Dataset.
        config: Config.
        name: how messages call the dataset.

    Returns:
        Report; None where nothing was looked at.

    Raises:
        DataError: faults, with the report; or no image is left without them.
    """
    channels = int(config.IMAGE_CHANNEL_COUNT)
    if config.FAULTY_IMAGES == "use" or not isinstance(dataset, AnnotatedDataset):
        return None
    if getattr(dataset, "admitted_for", None) == channels:
        return None
    with progress_bar(f"checking {name}") as progress:
        report = check_dataset(dataset, config=config, progress=progress)
    report.title = name
    report.findings = [finding for finding in report.findings
                       if finding.image is None or finding.image not in dataset.skipped]
    for line in report.brief():
        print(f"{name}: warning: {line}")
    if not report.clean:
        if config.FAULTY_IMAGES == "refuse":
            report.shown = MOST_SHOWN
            raise DataError(f"{report.text(with_statistics=False)}\n\n{CURE}")
        _skip(dataset, report, name)
    dataset.admitted_for = channels
    return report


def _skip(dataset, report, name):
    """Takes the images of a report out of a dataset and says so."""
    faulty, before = report.faulty_images, len(dataset.image_ids)
    dataset.skip_images(faulty)
    print(f"{name}: {len(faulty)} of {before} images are left out, since FAULTY_IMAGES = \"skip\"; "
          f"{len(report.errors)} errors, see mrcnn.check_dataset()")
    if not len(dataset.image_ids):
        raise DataError(f"{name} has no image left: each of its {before} has a fault\n"
                        f"{report.text(with_statistics=False)}")
