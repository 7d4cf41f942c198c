"""Which proposals train the heads, and what each should answer.

Shapes: B images, N proposals, G ground truth (zero rows behind the last object), R rois,
P positive rois at most, m/n mask target size, h/w ground truth mask size.
"""

import keras
from keras import ops

from mrcnn import kernels
from mrcnn.kernels.portable import first_true
from mrcnn.layers.mask_targets import align_masks, crop_masks
from mrcnn.layers.roi_align import check_sampling_ratio
from mrcnn.layers.tensor_boxes import (
    box_refinement,
    norm_boxes,
    overlaps,
    pad_rows,
    pixel_boxes,
    take_rows,
)

POSITIVE_IOU = 0.5
MASK_FROM = 0.5 - 1e-5  # share of a bin from which it is mask: half, and what rounds to it
CROWD_IOU = 0.001  # a proposal that touches a crowd more than this is no negative


@keras.saving.register_keras_serializable(package="mrcnn")
class DetectionTargetLayer(keras.layers.Layer):
    """Sample proposals into positive and negative rois with class, box and mask targets.

    Positives overlap a ground truth box by 0.5 or more; at most R * `positive_ratio` are
    drawn. Negatives overlap none that much and touch no crowd; as many are drawn as keep
    the ratio. An image without positives gives R - P negatives, so that images without
    objects teach the heads what background is. With `fill` negatives take all places that
    positives leave.

    Args:
        config: a Config to take all of the following from, as Matterport's constructor does.
        rois_per_image: R.
        positive_ratio: share of the rois that may be positive.
        bbox_std_dev: the 4 numbers the box targets are divided by.
        mask_shape: (m, n).
        use_mini_mask: whether ground truth masks are cropped to their boxes.
        seed: of the drawing.
        append_gt: the ground truth boxes, but crowds, are proposals too.
        fill: see above.
        align: mask targets are the RoIAlign of the masks, 1 from 0.5 up; else crops of them.
        sampling_ratio, aligned: of RoIAlign, see `PyramidROIAlign`.
        edges: what 0 and 1 mean in boxes, see `geometry.boxes`.

    Call: [proposals [B, N, 4] normalised, gt_class_ids [B, G] (negative: crowd),
        gt_boxes [B, G, 4] normalised, gt_masks [B, h, w, G], and with `align` but not `edges`
        image_meta [B, M]] ->
        rois [B, R, 4], class ids [B, R] int32, deltas [B, R, 4], masks [B, R, m, n];
        rows: positives, negatives, zeros.
    """

    def __init__(
        self,
        config=None,
        rois_per_image=200,
        positive_ratio=0.33,
        bbox_std_dev=(0.1, 0.1, 0.2, 0.2),
        mask_shape=(28, 28),
        use_mini_mask=True,
        seed=None,
        append_gt=False,
        fill=False,
        align=False,
        sampling_ratio=2,
        aligned=False,
        edges=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if config is not None:
            rois_per_image, positive_ratio = config.TRAIN_ROIS_PER_IMAGE, config.ROI_POSITIVE_RATIO
            bbox_std_dev, mask_shape = config.BBOX_STD_DEV, config.MASK_SHAPE
            use_mini_mask, seed = config.USE_MINI_MASK, config.SEED
            append_gt, fill = config.PROPOSAL_APPEND_GT, config.ROI_BALANCED_SAMPLER
            align, aligned = config.ROI_ALIGN == "roi_align", config.ROI_ALIGN_ALIGNED
            sampling_ratio, edges = config.ROI_ALIGN_SAMPLING_RATIO, config.box_edges
        self.rois_per_image = int(rois_per_image)
        self.positive_ratio = float(positive_ratio)
        self.bbox_std_dev = tuple(float(s) for s in bbox_std_dev)
        self.mask_shape = tuple(int(n) for n in mask_shape[:2])
        self.use_mini_mask = bool(use_mini_mask)
        self.append_gt, self.fill = bool(append_gt), bool(fill)
        self.align, self.aligned, self.edges = bool(align), bool(aligned), bool(edges)
        self.sampling_ratio = int(sampling_ratio)
        if self.align:
            check_sampling_ratio(self.sampling_ratio)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def positive_count(self):
        """P: the most positives an image can have."""
        return int(self.rois_per_image * self.positive_ratio)

    def call(self, inputs):
        """See the class."""
        proposals, gt_class_ids, gt_boxes, gt_masks, *image_meta = inputs
        if self.append_gt:
            objects = ops.where((gt_class_ids > 0)[..., None], gt_boxes, 0.0)
            proposals = ops.concatenate([proposals, ops.cast(objects, proposals.dtype)], axis=1)
        positive, negative, gt_of_proposal = self.match(proposals, gt_class_ids, gt_boxes)
        rows, is_positive, is_used = self.sample(positive, negative)
        rois = ops.where(is_used[..., None], take_rows(proposals, rows), 0.0)
        gt_rows = take_rows(gt_of_proposal, rows)
        class_ids = ops.where(is_positive, take_rows(gt_class_ids, gt_rows), 0)
        boxes = take_rows(gt_boxes, gt_rows)
        deltas = self.box_targets(rois, boxes, is_positive)
        shape = image_meta[0][:, None, 4:6] if image_meta else None
        masks = self.mask_targets(rois, boxes, gt_masks, gt_rows, is_positive, shape)
        return tuple(ops.stop_gradient(t) for t in (rois, class_ids, deltas, masks))

    def match(self, proposals, gt_class_ids, gt_boxes):
        """Positive [B, N], negative [B, N] and the best ground truth row [B, N]."""
        real = ops.any(ops.not_equal(proposals, 0.0), axis=-1)
        has_box = ops.any(ops.not_equal(gt_boxes, 0.0), axis=-1)
        is_object = ops.logical_and(gt_class_ids > 0, has_box)[:, None, :]
        is_crowd = ops.logical_and(gt_class_ids < 0, has_box)[:, None, :]
        iou = overlaps(proposals, gt_boxes)
        object_iou = ops.where(is_object, iou, -1.0)
        best = ops.max(object_iou, axis=-1)
        crowd_iou = ops.max(ops.where(is_crowd, iou, 0.0), axis=-1)
        positive = ops.logical_and(real, best >= POSITIVE_IOU)
        negative = ops.logical_and(best < POSITIVE_IOU, crowd_iou < CROWD_IOU)
        return (
            positive,
            ops.logical_and(real, negative),
            ops.cast(ops.argmax(object_iou, axis=-1), "int32"),
        )

    def sample(self, positive, negative):
        """Draw rows of the proposals: rows [B, R], is_positive [B, R], is_used [B, R]."""
        drawn_positive, has_positive = self._draw(positive, self.positive_count)
        drawn_negative, has_negative = self._draw(negative, self.rois_per_image)
        found = ops.sum(ops.cast(has_positive, "int32"), axis=-1, keepdims=True)
        with_ratio = ops.cast(ops.cast(found, "float32") / self.positive_ratio, "int32") - found
        wanted = ops.where(found > 0, with_ratio, self.rois_per_image - self.positive_count)
        if self.fill:
            wanted = self.rois_per_image - found
        order = ops.arange(self.rois_per_image, dtype="int32")[None]
        has_negative = ops.logical_and(has_negative, order < wanted)
        rows = ops.concatenate([drawn_positive, drawn_negative], axis=1)
        used = ops.concatenate([has_positive, has_negative], axis=1)
        front, is_used = first_true(used, self.rois_per_image)
        return take_rows(rows, front), ops.logical_and(is_used, order < found), is_used

    def _draw(self, eligible, count):
        """Random rows out of the eligible ones: rows [B, count], whether there was one."""
        rows, columns = ops.shape(eligible)
        # Each device draws for all that share the batch, as one device would, and takes its own.
        shape = (rows * kernels.replica_count(), columns)
        noise = kernels.own_rows(keras.random.uniform(shape, seed=self.seed_generator))
        k = min(count, eligible.shape[1])
        chance, rows = ops.top_k(ops.where(eligible, noise, -1.0), k=k)
        rows, real = pad_rows(ops.cast(rows, "int32"), count), pad_rows(chance >= 0.0, count)
        return rows, real

    def box_targets(self, rois, gt_boxes, is_positive):
        """Deltas [B, R, 4] that move each positive roi onto its object; zeros elsewhere."""
        is_positive = is_positive[..., None]
        unit = ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0], dtype="float32")
        deltas = box_refinement(
            ops.where(is_positive, rois, unit), ops.where(is_positive, gt_boxes, unit)
        )
        return deltas / ops.convert_to_tensor(self.bbox_std_dev, dtype="float32")

    def mask_targets(self, rois, gt_boxes, gt_masks, gt_rows, is_positive, image_shape=None):
        """Mask of each positive roi's object inside the roi: [B, R, m, n] of 0 and 1.

        Args:
            image_shape: [B, 1, (height, width)], for RoIAlign of boxes between centres.
        """
        top = self.positive_count
        is_positive, boxes, rois = is_positive[:, :top, None], gt_boxes[:, :top], rois[:, :top]
        if self.align and not self.edges:
            rois, boxes = (norm_boxes(pixel_boxes(b, image_shape), image_shape, edges=True)
                           for b in (rois, boxes))
        rois = ops.where(is_positive, rois, 0.0)
        if self.use_mini_mask:  # from image coordinates to those of the object's own box
            y1, x1, y2, x2 = ops.unstack(boxes, 4, axis=-1)
            height = ops.where(y2 > y1, y2 - y1, 1.0)
            width = ops.where(x2 > x1, x2 - x1, 1.0)
            origin = ops.stack([y1, x1, y1, x1], axis=-1)
            rois = (rois - origin) / ops.stack([height, width, height, width], axis=-1)
        if self.align:
            masks = align_masks(gt_masks, rois, gt_rows[:, :top], self.mask_shape,
                                self.sampling_ratio, self.aligned)
            masks = ops.cast(masks >= MASK_FROM, "float32")
        else:
            masks = ops.round(crop_masks(gt_masks, rois, gt_rows[:, :top], self.mask_shape))
        masks = ops.where(is_positive[..., None], masks, 0.0)
        return pad_rows(masks, self.rois_per_image)

    def compute_output_shape(self, input_shape):
        """Shapes of rois, class ids, deltas and masks."""
        rows = (input_shape[0][0], self.rois_per_image)
        return (*rows, 4), rows, (*rows, 4), (*rows, *self.mask_shape)

    def compute_output_spec(self, inputs):
        """As compute_output_shape, with dtypes."""
        shapes = self.compute_output_shape([x.shape for x in inputs])
        dtypes = ("float32", "int32", "float32", "float32")
        return tuple(keras.KerasTensor(s, d) for s, d in zip(shapes, dtypes, strict=True))

    def get_config(self):
        """Constructor arguments, JSON-able."""
        return {
            **super().get_config(),
            "rois_per_image": self.rois_per_image,
            "positive_ratio": self.positive_ratio,
            "bbox_std_dev": self.bbox_std_dev,
            "mask_shape": self.mask_shape,
            "use_mini_mask": self.use_mini_mask,
            "seed": self.seed,
            "append_gt": self.append_gt,
            "fill": self.fill,
            "align": self.align,
            "sampling_ratio": self.sampling_ratio,
            "aligned": self.aligned,
            "edges": self.edges,
        }
