"""Words that messages share."""


def counted(number, thing):
    """A number with its noun: "1 image", "2 images"."""
    return f"{number} {thing}" + ("" if number == 1 else "s")
