"""Augmenters made of others, and a set to begin with."""

from mrcnn.data.augmenters.colour import ColourJitter
from mrcnn.data.augmenters.copy_paste import CopyPaste
from mrcnn.data.augmenters.geometric import FlipLeftRight, FlipUpDown, Rotate90, ScaleJitter
from mrcnn.data.augmenters.sample import Augmenter


class _Group(Augmenter):
    """Some augmenters.

    Args:
        augmenters: list of Augmenter.
        p: probability.
    """

    def __init__(self, augmenters, p=1.0):
        super().__init__(p)
        self.augmenters = list(augmenters)
        for one in self.augmenters:
            if not isinstance(one, Augmenter):
                raise TypeError(f"{type(self).__name__}: expected augmenters of "
                                f"mrcnn.augmenters, received {one!r}")

    def __repr__(self):
        inside = ", ".join(map(repr, self.augmenters))
        return f"{type(self).__name__}([{inside}], p={self.p!r})"


class Compose(_Group):
    """One after the other, in their order."""

    def change(self, sample, rng, another):
        """The sample after all of them."""
        for one in self.augmenters:
            sample = one.apply(sample, rng, another)
        return sample


class OneOf(_Group):
    """One of several, all equally likely."""

    def __init__(self, augmenters, p=1.0):
        super().__init__(augmenters, p)
        if not self.augmenters:
            raise ValueError("OneOf: expected at least one augmenter, received none")

    def change(self, sample, rng, another):
        """The sample after the one chosen."""
        chosen = self.augmenters[rng.integers(len(self.augmenters))]
        return chosen.apply(sample, rng, another)


class Sometimes(Compose):
    """Several, or none of them.

    Args:
        p: probability that they are applied.
        *augmenters: Augmenter, one or more.
    """

    def __init__(self, p, *augmenters):
        super().__init__(augmenters, p)

    def __repr__(self):
        return f"Sometimes({', '.join(map(repr, [self.p, *self.augmenters]))})"


def standard(upright=True, copy_paste=0.0):
    """A set to begin with: mirroring, scale from 0.7 to 1.4, mild colours.

    Args:
        upright: the images have an upper side, as photographs have; False for microscopy and
            pictures from above also turns them, by 90 degrees and upside down.
        copy_paste: probability of objects pasted in from another image, which takes the time
            of reading that one.

    Returns:
        Compose.
    """
    pasting = [CopyPaste(p=copy_paste)] if copy_paste else []
    turning = [] if upright else [FlipUpDown(), Rotate90()]
    return Compose([*pasting, ColourJitter(p=0.8), FlipLeftRight(), *turning,
                    ScaleJitter(0.7, 1.4, p=0.8)])
