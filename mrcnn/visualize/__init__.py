"""Pictures of images, boxes, masks, proposals and results, under Matterport's function names.

matplotlib is imported when a picture is made, not with this package. Every function that makes a
figure returns it and works without a screen: `plt.show()` is called only where a window or a
notebook can show the figure, and only for figures the function made itself (never for a given
`ax`). `Renderer` paints into arrays instead, for video and bulk work. The folder, in the order
its files may import each other: `painting`, `selection`, `lettering`, `placement`,
`rendering`, `splash`, `figure`, `instances`, `comparison`, `proposals`, `charts`.
"""

from mrcnn.visualize.charts import (
    display_table,
    display_weight_stats,
    plot_overlaps,
    plot_precision_recall,
)
from mrcnn.visualize.comparison import compare_figure, display_differences
from mrcnn.visualize.instances import (
    display_images,
    display_instances,
    display_instances_person,
)
from mrcnn.visualize.painting import apply_mask, color_splash, draw_box, random_colors
from mrcnn.visualize.proposals import display_top_masks, draw_boxes, draw_rois
from mrcnn.visualize.rendering import Renderer
from mrcnn.visualize.splash import draw_segmentation

__all__ = [
    "Renderer",
    "apply_mask",
    "color_splash",
    "compare_figure",
    "display_differences",
    "display_images",
    "display_instances",
    "display_instances_person",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_rois",
    "draw_segmentation",
    "plot_overlaps",
    "plot_precision_recall",
    "random_colors",
]
