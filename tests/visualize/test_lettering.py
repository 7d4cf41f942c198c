"""Letters: measured as they are drawn, and the ink on its ground."""

import matplotlib
import numpy as np
import pytest

from mrcnn.visualize import lettering

matplotlib.use("Agg")


@pytest.mark.parametrize("text", ["dog 0.98", "Gänseblümchen gyp", "two\nlines of it", "$x$"])
@pytest.mark.parametrize("points", [6, 13])
def test_a_text_is_as_large_as_matplotlib_draws_it(text, points):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2), dpi=300)
    drawn = figure.text(0, 0, text, size=points, parse_math=False).get_window_extent()
    height, width = lettering.text_size(text, points)
    np.testing.assert_allclose(width, drawn.width * 72 / 300, rtol=0.03)
    np.testing.assert_allclose(height, drawn.height * 72 / 300, rtol=0.12)


def test_a_font_is_looked_for_only_where_letters_lack():
    usual = lettering.usual_font()
    assert usual.endswith("DejaVuSans.ttf")
    assert lettering.font_for("cat") == lettering.font_for("Żółw") == usual
    assert lettering.font_for("\U0010fffd") == usual  # no font has it
    assert lettering.font_options("cat") == lettering.font_options("Żółw") == {}


def test_texts_are_shortened_line_by_line():
    assert lettering.shortened("short", 9) == "short"
    assert lettering.shortened("a very long name", 7) == "a very…"
    assert lettering.shortened("abcdefgh\nxy", 4.6) == "abc…\nxy"


@pytest.mark.parametrize(("most", "text"), [
    (12, "balloon 0.92"), (11, "ballo… 0.92"), (8, "ba… 0.92"), (7, "0.92"),
    (4, "0.92"), (3, ""),
])
def test_a_name_is_cut_before_its_score(most, text):
    assert lettering.with_ending("balloon", " 0.92", most) == text
    assert len(text) <= most
    if text:
        assert lettering.caption_within("balloon 0.92", most) == text


def test_captions_without_a_score_are_cut_at_the_end():
    assert lettering.caption_within("a very long name", 7) == "a very…"
    assert lettering.caption_within("missed: cat", 20) == "missed: cat"
    assert lettering.caption_within("0.9876", 4) == "0.9…"


def test_how_long_labels_may_be():
    assert lettering.most_letters(100, 9) == 14  # of the 18 that a thumbnail has room for
    assert 30 * 0.9 < lettering.most_letters(30, 9) * 0.6 * 9 < 30
    assert lettering.most_letters(3000, 20) == pytest.approx(150)


def test_label_pixels_hold_ground_and_ink():
    pixels = lettering.label_pixels("person 0.98", 20, (250, 200, 0), (0, 0, 0))
    assert pixels.shape[0] >= 20 and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[0, 0], [250, 200, 0])
    dark = pixels.sum(axis=2) < 100
    assert 0.05 < dark.mean() < 0.5
    assert not dark[:, 0].any() and not dark[:, -1].any()
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 0


def test_ink_is_dark_on_light_and_light_on_dark():
    assert lettering.ink_on((1, 1, 0)) == (0, 0, 0)
    assert lettering.ink_on((0.2, 0.1, 0.9)) == (1, 1, 1)
