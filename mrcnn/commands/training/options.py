"""What `mrcnn train` is asked for."""

import json
import os
from dataclasses import dataclass, fields

from mrcnn.commands.reading import DataSource
from mrcnn.config import Config


class TrainConfig(Config):
    """Config with the stages of a training.

    STAGES are rows of (layers, epochs, factor of the learning rate), epochs counted from the
    beginning of the run; None for heads then all from trained weights, all from random ones.
    """

    STAGES = None


@dataclass
class TrainOptions:
    """The command line of `mrcnn train`; its `--help` says what each is.

    Attributes that are None were not given.
    """

    data: str | None = None
    val: str | None = None
    weights: str | None = None
    preset: str | None = None
    config: str | None = None
    assignments: tuple = ()
    epochs: int | None = None
    steps: int | None = None
    output: str = "logs"
    name: str | None = None
    small: bool | None = None
    augment: str | None = None
    faulty: str | None = None
    format: str = "auto"
    images: str | None = None
    subset: str | None = None
    class_attribute: str | None = None
    class_name: str | None = None
    crowds_as_objects: bool = False
    map_every: int = 1
    patience: int | None = None

    def all_assignments(self):
        """KEY=VALUE texts of --set, with the knobs that have an option of their own."""
        own = (("PRESET", self.preset), ("STEPS_PER_EPOCH", self.steps), ("NAME", self.name),
               ("FAULTY_IMAGES", self.faulty))
        return (*self.assignments, *(f"{knob}={json.dumps(value)}" for knob, value in own
                                     if value is not None))

    def argv(self):
        """The words of a command line that asks for this."""
        words = ["mrcnn", "train", *([self.data] if self.data else [])]
        for option in fields(self):
            value = getattr(self, option.name)
            flag = "--" + option.name.replace("_", "-")
            if option.name in ("data", "assignments") or value == option.default:
                continue
            if option.name == "small":
                words.append("--small" if value else "--no-small")
            elif value is True:
                words.append(flag)
            else:
                words += [flag, str(value)]
        return words + [word for text in self.assignments for word in ("--set", text)]

    def source(self):
        """The DataSource that trains."""
        readers = ("class_attribute", "class_name", "crowds_as_objects")
        given = {name: getattr(self, name) for name in readers if getattr(self, name)}
        return DataSource(self.data, self.format, self.images, self.subset, given)

    def as_dict(self):
        """Every option by name, JSON only; paths as they can be found from anywhere."""
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        for name in ("data", "val", "images", "output"):
            if values[name] and os.path.exists(values[name]):
                values[name] = os.path.abspath(values[name])
        return values
