"""Configurations from the command line: YAML files, Python classes, KEY=VALUE.

What is said later wins: the library's defaults, what the data say, the preset, the source,
KEY=VALUE. The preset is said as PRESET, in the YAML file or as KEY=VALUE.
"""

import difflib
import re
from dataclasses import dataclass, field

import yaml

from mrcnn import _config_checks as checks
from mrcnn import _config_json as as_json
from mrcnn.commands.config_classes import class_of_source, existing
from mrcnn.config import KNOBS, Config
from mrcnn.presets import with_preset

YAML_ENDINGS = (".yaml", ".yml", ".json")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")  # YAML 1.1 takes 1e-3 for a text


@dataclass
class Settings:
    """What a person said about the configuration.

    Attributes:
        cls: the Config class to start from.
        values: knob -> value of a YAML file and of KEY=VALUE, the later one for two.
        places: knob -> where it was said, those that a class sets included.
        preset: name of the preset that it is put on, None where nobody said one.
        of_preset: knobs that come from it.
    """

    cls: type
    values: dict = field(default_factory=dict)
    places: dict = field(default_factory=dict)
    preset: str | None = None
    of_preset: set = field(default_factory=set)

    def said(self, of_preset=True):
        """Knob -> value of everything said, the knobs of a class first.

        Args:
            of_preset: the values of the preset belong to it.
        """
        config, knobs = self.cls(), {*self.places, *(self.of_preset if of_preset else ())}
        return {**{knob: getattr(config, knob) for knob in knobs}, **self.values}

    def check_preset(self, config, file):
        """Refuses another preset than a stored configuration is built on.

        Args:
            config: Config of a checkpoint or a run.
            file: its path, for the message.

        Raises:
            ValueError: naming both.
        """
        if self.preset not in (None, config.PRESET):
            raise ValueError(f"preset {self.preset!r}: {file} was trained under "
                             f"{config.PRESET!r}, which cannot be changed afterwards")

    def put_on(self, name, place):
        """Puts the class on a preset.

        Args:
            name: of the preset, see `mrcnn.presets`.
            place: where it was said.

        Raises:
            ValueError: unknown name, or the class is built on another preset.
        """
        before = self.cls
        try:
            self.cls = with_preset(before, name)
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from None
        self.preset = self.cls.PRESET
        own = [owner for owner in self.cls.__mro__ if owner not in (self.cls, *before.__mro__)]
        self.of_preset |= {knob for owner in own for knob in vars(owner)
                           if knob in KNOBS and knob != "PRESET" and knob not in self.places}

    def config(self, defaults=None, over_preset=None):
        """An instance, the defaults laid below what was said.

        Args:
            defaults: knob -> value, such as those taken from the data.
            over_preset: knob -> value, laid above the preset and below the rest.

        Raises:
            ValueError: values that cannot be so, each with the place where it was said.
        """
        config = self.cls()
        own = set(vars(config))
        for knob, value in (defaults or {}).items():
            if knob not in self.of_preset and knob not in self.places and knob not in own:
                setattr(config, knob, value)
        for knob, value in (over_preset or {}).items():
            if knob not in self.places and knob not in own:
                setattr(config, knob, value)
        for knob, value in self.values.items():
            setattr(config, knob, value)
        try:
            config.validate()
        except ValueError as error:
            lines = [self._placed(line) for line in str(error).splitlines()]
            raise ValueError("\n".join(lines)) from None
        return config

    def _placed(self, line):
        """A line about a knob, with the place where its value was said."""
        place = self.places.get(line.split(" ")[0])
        return f"{place}: {line}" if place else line


def load_config(source=None, assignments=(), base=Config, defaults=None):
    """The configuration that a command line asks for.

    Args:
        source: None; a YAML file of `KNOB: value`; or a Config class as "file.py:Class",
            "module:Class", or "file.py" where it holds only one.
        assignments: texts "KEY=VALUE", each VALUE in YAML.
        base: Config class to start from, where the source is no class.
        defaults: knob -> value, set before the source.

    Returns:
        Config instance, validated.

    Raises:
        FileNotFoundError: no such file or module.
        ValueError: an unknown key (with the nearest name), a value that cannot be so, or a class
            that is built on another preset than the one that is said.
    """
    return read_settings(source, assignments, base).config(defaults)


def read_settings(source=None, assignments=(), base=Config):
    """As `load_config`, before any defaults are laid below: Settings."""
    settings = Settings(base)
    if source is not None:
        _add_source(settings, str(source))
    for text in assignments:
        key, separator, value = text.partition("=")
        if not separator or not key.strip():
            raise ValueError(f"--set {text}: expected KEY=VALUE, such as IMAGE_MAX_DIM=512")
        _add(settings, key.strip(), _yaml_value(value, f"--set {text}"), f"--set {text}")
    if "PRESET" in settings.values:
        settings.put_on(settings.values.pop("PRESET"), settings.places.pop("PRESET"))
    elif settings.cls.PRESET != Config.PRESET:
        settings.preset = settings.cls.PRESET
    settings.of_preset.difference_update(settings.places)
    return settings


def known_keys(cls):
    """The keys that a configuration of this class has: knobs, and its own in capitals."""
    own = [name for name in dir(cls) if name.isupper() and not name.startswith("_")]
    return [*KNOBS, *(name for name in own if name not in KNOBS)]


def _add(settings, key, value, place):
    """Notes one value; ValueError where there is no such key or it cannot have this value."""
    known = known_keys(settings.cls)
    if key not in known:
        near = difflib.get_close_matches(key.upper(), known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{place}: no knob is called {key!r}{hint}")
    default = vars(Config).get(key, getattr(settings.cls, key))
    value = as_json.decode_values({key: value}, {key: default})[key]
    complaint = key in checks.CHECKS and checks.CHECKS[key](key, value)
    if complaint:
        raise ValueError(f"{place}: {complaint}")
    settings.values[key], settings.places[key] = value, place


# --- YAML -----------------------------------------------------------------------------------


def _yaml_value(text, place):
    """A VALUE in YAML; also a tuple and None as Python writes them."""
    try:
        return _plain(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(f"{place}: {_yaml_reason(error)}") from error


def _plain(value):
    """Numbers such as 1e-3, tuples and None, which YAML takes for texts."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if not isinstance(value, str):
        return value
    if value == "None":
        return None
    if _NUMBER.fullmatch(value):
        return float(value)
    if value.startswith("(") and value.endswith(")"):
        return _plain(yaml.safe_load(f"[{value[1:-1]}]"))
    return value


def _yaml_reason(error):
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return f"line {mark.line + 1}: {problem}" if mark and problem else f"no YAML ({error})"


def _add_yaml(settings, path):
    """Notes the knobs of a YAML file, in its order."""
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            return  # an empty file changes nothing
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{path}: expected lines of KNOB: value, received a {node.id}")
        for key_node, value_node in node.value:
            place = f"{path}, line {key_node.start_mark.line + 1}"
            key = loader.construct_object(key_node, deep=True)
            if settings.places.get(key, "").startswith(f"{path}, "):
                raise ValueError(f"{place}: {key} is there already, in {settings.places[key]}")
            value = _plain(loader.construct_object(value_node, deep=True))
            _add(settings, str(key), value, place)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error.reason})") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {_yaml_reason(error)}") from error


# --- Python classes -------------------------------------------------------------------------


def _add_source(settings, source):
    """Notes what a YAML file or a class says."""
    if source.lower().endswith(YAML_ENDINGS):
        _add_yaml(settings, existing(source, source))
        return
    cls = class_of_source(source)
    _add_class(settings, cls, source)


def _add_class(settings, cls, source):
    """Takes a class in place of the base; the knobs that it sets count as said."""
    base = settings.cls
    settings.cls = cls if issubclass(cls, base) else type(cls.__name__, (cls, base), {})
    known = known_keys(settings.cls)
    for owner in cls.__mro__:
        names = {name for name in vars(owner) if name in known and name != "PRESET"}
        if owner.__module__ == with_preset.__module__:
            settings.of_preset |= names
        elif owner not in base.__mro__:
            settings.places.update(dict.fromkeys(names, f"--config {source}"))


def plain_values(config):
    """Knobs of a configuration in types that YAML holds; derived ones only where assigned."""
    values = config.to_dict()
    extra = [name for name in known_keys(type(config)) if name not in KNOBS and name in values]
    return {name: values[name] for name in (*KNOBS, *extra) if config.is_assigned(name)}
