"""Which instances are of the classes somebody asked for."""

import numpy as np


def class_numbers(classes, class_names):
    """Class ids of names and ids, mixed as they come.

    Args:
        classes: names or ids, or one of them by itself.
        class_names: name of every class, background first; may be None where only ids are asked.

    Returns:
        A set of ints.

    Raises:
        ValueError: a name or an id that no class has; the message lists the known names.
    """
    given = [classes] if isinstance(classes, (str, int, np.integer)) else list(classes)
    names = [str(name) for name in class_names] if class_names is not None else None
    numbers = set()
    for one in given:
        if isinstance(one, (int, np.integer)) and not isinstance(one, bool):
            known = names is None or 0 <= one < len(names)
            numbers.add(int(one))
        else:
            same = [i for i, name in enumerate(names or []) if name == one]
            known = bool(same)
            numbers.update(same)
        if not known:
            raise ValueError(f"classes: {one!r} is not known; known are {_listed(names)}")
    return numbers


def of_classes(class_ids, class_names, classes):
    """Which instances belong to the classes asked for.

    Args:
        class_ids: [N], negated for a crowd, which belongs to its class.
        class_names: as `class_numbers` takes it.
        classes: as `class_numbers` takes it; None keeps all.

    Returns:
        [N] bool.

    Raises:
        ValueError: as `class_numbers` does.
    """
    class_ids = np.abs(np.asarray(class_ids, dtype=np.int64).reshape(-1))
    if classes is None:
        return np.ones(len(class_ids), bool)
    return np.isin(class_ids, list(class_numbers(classes, class_names)))


def _listed(names):
    if names is None:
        return "no names here: give class ids, or class_names"
    return ", ".join(names[1:41]) + (" ..." if len(names) > 41 else "")
