"""What every augmenter of the stand-in shares: parameters, random numbers, hooks.

Chance is drawn as a tree: an augmenter gets one seed for an image and hands each child a seed of
its own. So a child that a hook switches off, or that sees another number of channels, changes
nothing for the others, and image and masks move alike.
"""

import copy

import numpy as np

ALL = "ALL"
SEED_LIMIT = 2**63 - 1
REAL_ONE = "pip install --no-deps imgaug six imageio shapely"

_state = {"rng": np.random.default_rng()}


def seed(entropy=None, seedval=None):
    """Seeds every augmenter that has no seed of its own.

    Args:
        entropy: int.
        seedval: its old name.
    """
    _state["rng"] = np.random.default_rng(seedval if entropy is None else entropy)


def missing(owner, name):
    """The AttributeError for a part of imgaug that the stand-in lacks."""
    return AttributeError(f"{owner} has no {name!r} in the stand-in that comes with mrcnn; "
                          f"`{REAL_ONE}` installs the real imgaug, which is then used instead")


class HooksImages:
    """Functions that are asked before an augmenter works.

    Args:
        activator: (images, augmenter, parents, default) -> bool, False skips the augmenter.
        propagator: likewise, False skips its children.
        preprocessor: (images, augmenter, parents) -> images, before the augmenter.
        postprocessor: likewise, after it.
    """

    def __init__(self, activator=None, propagator=None, preprocessor=None, postprocessor=None):
        self.activator, self.propagator = activator, propagator
        self.preprocessor, self.postprocessor = preprocessor, postprocessor

    def is_activated(self, images, augmenter, parents, default):
        """Whether an augmenter is to work."""
        return self.activator(images, augmenter, parents, default) if self.activator else default

    def is_propagating(self, images, augmenter, parents, default):
        """Whether its children are to work."""
        return self.propagator(images, augmenter, parents, default) if self.propagator else default

    def preprocess(self, images, augmenter, parents):
        """The images before an augmenter."""
        return self.preprocessor(images, augmenter, parents) if self.preprocessor else images

    def postprocess(self, images, augmenter, parents):
        """The images after an augmenter."""
        return self.postprocessor(images, augmenter, parents) if self.postprocessor else images


def sample(parameter, rng, whole=False):
    """One value of a parameter.

    Args:
        parameter: a value; (low, high), of which any value between is as likely; or a list, of
            which each entry is as likely.
        rng: np.random.Generator.
        whole: a pair of whole numbers gives whole numbers, both ends included.
    """
    if isinstance(parameter, list):
        return sample(parameter[rng.integers(len(parameter))], rng, whole)
    if isinstance(parameter, tuple):
        if len(parameter) != 2:
            raise ValueError(f"expected a pair (low, high), received {parameter}")
        low, high = sorted(parameter)
        if whole and all(isinstance(end, (int, np.integer)) for end in (low, high)):
            return int(rng.integers(low, high + 1))
        return float(rng.uniform(low, high))
    return parameter


def chance(probability, rng):
    """True as often as the probability says, which may be any parameter."""
    return rng.uniform() < sample(probability, rng)


def as_dtype(values, dtype):
    """Float values as another type: rounded and cut to its range for whole numbers."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return values > 0.5 if np.dtype(dtype).kind == "b" else values.astype(dtype)


class Augmenter:
    """Base class of all augmenters.

    Args:
        name: what the caller calls it.
        deterministic: True gives the same result at every call.
        random_state: int seed, or None for the common random numbers (`seed`).
        seed: the new name of `random_state`.
    """

    def __init__(self, name=None, deterministic=False, random_state=None, seed=None):
        self.name = name or f"Unnamed{type(self).__name__}"
        entropy = seed if random_state is None else random_state
        if isinstance(entropy, np.random.RandomState):
            entropy = entropy.randint(2**31)
        self._rng = None if entropy is None else np.random.default_rng(entropy)
        self.deterministic = False
        self._fixed = None
        if deterministic:
            self._fix(self._next_seed())

    # --- random numbers ----------------------------------------------------------------------
    def _next_seed(self):
        return int((self._rng or _state["rng"]).integers(SEED_LIMIT))

    def _fix(self, entropy):
        self.deterministic, self._fixed = True, entropy

    def seed_(self, entropy=None, deterministic_too=False):
        """Seeds this augmenter; one that is deterministic only with `deterministic_too`."""
        if not self.deterministic:
            self._rng = np.random.default_rng(entropy)
        elif deterministic_too:
            self._fixed = self._next_seed() if entropy is None else int(entropy)
        return self

    def reseed(self, random_state=None, deterministic_too=False):
        """The old name of `seed_`."""
        self.seed_(random_state, deterministic_too)

    def to_deterministic(self, n=None):
        """A copy that does the same at every call; `n` copies, each its own, as a list."""
        if n is not None:
            return [self.to_deterministic() for _ in range(n)]
        fixed = copy.copy(self)
        fixed._fix(self._next_seed())
        return fixed

    # --- augmenting --------------------------------------------------------------------------
    def augment_image(self, image, hooks=None):
        """Augments one image [H, W] or [H, W, C] and answers a new one."""
        return self.augment_images([image], hooks=hooks)[0]

    def augment_images(self, images, parents=None, hooks=None):
        """Augments images, each in its own way.

        Args:
            images: list of [H, W] or [H, W, C], or [N, H, W, C].
            parents: what the hooks are told about the augmenters around this one.
            hooks: HooksImages or anything with its methods.

        Returns:
            A list, or an array where an array came in and all sizes stayed the same.
        """
        start = self._fixed if self.deterministic else self._next_seed()
        done = [self.run(np.asarray(image), np.random.default_rng([start, i]), parents or [], hooks)
                for i, image in enumerate(images)]
        if isinstance(images, np.ndarray) and len({image.shape for image in done}) == 1:
            return np.stack(done)
        return done

    def __call__(self, image=None, images=None, hooks=None):
        if (image is None) == (images is None):
            raise ValueError("expected either image= or images=")
        if image is not None:
            return self.augment_image(image, hooks=hooks)
        return self.augment_images(images, hooks=hooks)

    augment = __call__

    def run(self, image, rng, parents, hooks):
        """Augments one image unless a hook says no; every random number comes from `rng`."""
        if hooks is None:
            return self.apply(image, rng, parents, None)
        image = hooks.preprocess([image], self, parents)[0]
        if hooks.is_activated([image], self, parents, True):
            image = self.apply(image, rng, parents, hooks)
        return hooks.postprocess([image], self, parents)[0]

    def apply(self, image, rng, parents, hooks):
        """The work of a class."""
        raise NotImplementedError

    def __getattr__(self, name):
        if name.startswith(("augment_", "draw_", "show_")):
            raise missing(type(self).__name__, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
