"""Augmenters that hold others: in a row, a choice of them, or now and then."""

import numpy as np

from .core import SEED_LIMIT, Augmenter, chance, sample


def as_children(children):
    """A list of augmenters from None, one of them, or several."""
    if children is None:
        return []
    children = [children] if isinstance(children, Augmenter) else list(children)
    for child in children:
        if not isinstance(child, Augmenter):
            raise TypeError(f"expected augmenters, received {type(child).__name__}")
    return children


class Noop(Augmenter):
    """Leaves the image as it is."""

    def apply(self, image, rng, parents, hooks):
        """The image itself."""
        del rng, parents, hooks
        return image


class Identity(Noop):
    """The new name of Noop."""


class _Holder(Augmenter):
    """An augmenter with children; a class says which of them work, and in which order."""

    def __init__(self, children=None, **common):
        super().__init__(**common)
        self.children = as_children(children)

    def add(self, augmenter):
        """One more child."""
        self.children += as_children(augmenter)
        return self

    append = add

    def __len__(self):
        return len(self.children)

    def __iter__(self):
        return iter(self.children)

    def __getitem__(self, index):
        return self.children[index]

    def chosen(self, rng):
        """Indices of the children that work, in their order."""
        raise NotImplementedError

    def apply(self, image, rng, parents, hooks):
        """One child after the other, each with a seed of its own."""
        seeds = rng.integers(SEED_LIMIT, size=len(self.children))
        rows = self.chosen(rng)
        if hooks is not None and not hooks.is_propagating([image], self, parents, True):
            return image
        for i in rows:
            child_rng = np.random.default_rng(seeds[i])
            image = self.children[i].run(image, child_rng, [*parents, self], hooks)
        return image


class Sequential(_Holder):
    """All children, one after the other.

    Args:
        children: one augmenter or several.
        random_order: another order for each image.
    """

    def __init__(self, children=None, random_order=False, **common):
        super().__init__(children, **common)
        self.random_order = random_order

    def chosen(self, rng):
        """All of them."""
        count = len(self.children)
        return rng.permutation(count) if self.random_order else range(count)


class SomeOf(_Holder):
    """Some of the children.

    Args:
        n: how many: a number, a list to choose from, (least, most) with None for all of them,
            or None for all.
        children: one augmenter or several.
        random_order: another order for each image.
    """

    def __init__(self, n=None, children=None, random_order=False, **common):
        super().__init__(children, **common)
        self.n, self.random_order = n, random_order

    def chosen(self, rng):
        """Each as likely as the other."""
        count, n = len(self.children), self.n
        if isinstance(n, (tuple, list)):
            n = type(n)(count if end is None else end for end in n)
        n = count if n is None else min(int(sample(n, rng, whole=True)), count)
        rows = rng.permutation(count)[:n]
        return rows if self.random_order else np.sort(rows)


class OneOf(SomeOf):
    """One of the children."""

    def __init__(self, children, **common):
        super().__init__(1, children, **common)


class Sometimes(Augmenter):
    """Either these children or those.

    Args:
        p: probability of the first.
        then_list: one augmenter or several.
        else_list: likewise, for the other case; None for nothing.
    """

    def __init__(self, p=0.5, then_list=None, else_list=None, **common):
        super().__init__(**common)
        self.p = p
        self.then_list, self.else_list = Sequential(then_list), Sequential(else_list)

    def apply(self, image, rng, parents, hooks):
        """The children of one of the two lists."""
        branch = self.then_list if chance(self.p, rng) else self.else_list
        if hooks is not None and not hooks.is_propagating([image], self, parents, True):
            return image
        return branch.apply(image, rng, [*parents, self], hooks)
