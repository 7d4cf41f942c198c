"""Pictures of images, boxes, masks, proposals and results, under Matterport's function names.

matplotlib is imported when a picture is made, not with this package. Every function that makes a
figure returns it and works without a screen: `plt.show()` is called only where a window or a
notebook can show the figure, and only for figures the function made itself (never for a given
`ax`). The folder, in the order its files may import each other: `painting` (numpy only),
`figure`, `instances`, `proposals`, `charts`, `comparison`.
"""

from mrcnn.visualize.charts import (
    display_table,
    display_weight_stats,
    plot_overlaps,
    plot_precision_recall,
)
from mrcnn.visualize.comparison import compare_figure
from mrcnn.visualize.instances import display_differences, display_images, display_instances
from mrcnn.visualize.painting import apply_mask, color_splash, draw_box, random_colors
from mrcnn.visualize.proposals import display_top_masks, draw_boxes, draw_rois

__all__ = [
    "apply_mask",
    "color_splash",
    "compare_figure",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_rois",
    "plot_overlaps",
    "plot_precision_recall",
    "random_colors",
]
