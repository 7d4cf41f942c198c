"""Config: every knob of the model, why it is there, and the check of its value.

A script subclasses Config and overrides what it needs, then makes one instance:

    class ShapesConfig(Config):
        NAME = "shapes"
        NUM_CLASSES = 1 + 3

    config = ShapesConfig()

Names and defaults are Matterport's; the block "added here" at the end is this library's own.
Values may also be changed on the instance; `MaskRCNN` validates what it is given.
(Longer than other files here: most of it is the knobs, and they belong in one place.)
"""

import difflib
import inspect
import math
import types
import warnings

import numpy as np

from mrcnn import _config_checks as checks
from mrcnn import _config_json as as_json

NEAR_MISS = 0.85  # how alike two names are before one is taken for a slip of the other


class _Derived:
    """A value computed from other knobs on each access, until somebody assigns it.

    It defines no `__set__`, so an assignment on an instance or in a subclass simply wins, and
    deleting that assignment brings the computed value back.
    """

    def __init__(self, compute):
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance, owner=None):
        return self if instance is None else self.compute(instance)


class Linked(_Derived):
    """A limit that follows MAX_OBJECTS_PER_IMAGE, until somebody assigns it.

    Args:
        usual: the value without MAX_OBJECTS_PER_IMAGE.
        ratio: how many of it an object needs at least; None: as many as MAX_OBJECTS_PER_IMAGE says.

    On a class it answers too, since scripts compute with `Config.TRAIN_ROIS_PER_IMAGE`.
    """

    def __init__(self, usual, ratio=None):
        super().__init__(self._limit)
        self.usual, self.ratio = usual, ratio

    def _limit(self, config):
        most = config.MAX_OBJECTS_PER_IMAGE
        if not checks.is_int(most):  # None, or a value that validate() will refuse
            return self.usual
        return int(most) if self.ratio is None else max(self.usual, self.ratio * int(most))

    def __get__(self, instance, owner=None):
        return self._limit(owner if instance is None else instance)


class Config:
    """All settings of one model; subclass it and override.

    Raises:
        ValueError: on construction and from `validate()`, one line per unusable value, each
            naming the knob, the value received and the nearest valid one.

    A name that looks like a slip of a known knob (`NUM_CLASES`) is warned about, once a class;
    attributes of a script's own (`LR_DECAY`, `DATA_ROOT`) pass in silence.
    """

    # --- the run ---------------------------------------------------------------------------
    # Names the log folder and the checkpoint files, so that runs do not mix.
    NAME = None
    # Devices that share each step, every one with a copy of the model and IMAGES_PER_GPU images.
    GPU_COUNT = 1
    # Images of a step, times GPU_COUNT. Memory sets the bound; start low at 1024 px and go up.
    IMAGES_PER_GPU = 2
    # An "epoch" is this many steps, whatever the size of the data set: it sets how often a
    # checkpoint is written and the validation is run.
    STEPS_PER_EPOCH = 1000
    # Validation batches after each epoch. More of them steady the curve and cost time.
    VALIDATION_STEPS = 50

    # --- backbone and pyramid --------------------------------------------------------------
    # resnet18, resnet34, resnet50, resnet101, a Keras model, or a callable that builds one.
    # The larger ones find more and run slower; 18 and 34 are for machines without a GPU.
    BACKBONE = "resnet101"
    # What a keras.Model or callable as BACKBONE expects of pixels: a function of RGB in
    # 0..255, [B, H, W, C]. None: that of a keras.applications function is found by itself,
    # and anything else is fed the image minus MEAN_PIXEL.
    BACKBONE_PREPROCESSING = None
    # Channels of the first stage of a ResNet by name; published weights need 64. 32 makes a
    # network that learns a simple task from nothing in minutes on a CPU. At least 16: with 4 or
    # 8 input channels and one image in the batch, oneDNN in TensorFlow 2.21 corrupts memory in
    # the gradient of a strided 1x1 convolution.
    BACKBONE_WIDTH = 64
    # Only for a callable BACKBONE whose feature sizes do not follow from BACKBONE_STRIDES:
    # takes an image shape, answers [levels, (height, width)].
    COMPUTE_BACKBONE_SHAPE = None
    # Image pixels per feature-map cell at P2..P6. The network builds these and no others, so
    # the value is here to be read; what an anchor measures is up to RPN_ANCHOR_SCALES.
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]
    # Channels of every pyramid level: the width of all that follows.
    TOP_DOWN_PYRAMID_SIZE = 256
    # Width of the two dense layers that decide an object's class and box.
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024

    # --- classes ---------------------------------------------------------------------------
    # Background is a class too (id 0): one class to find means NUM_CLASSES = 2.
    NUM_CLASSES = 1

    # --- region proposals ------------------------------------------------------------------
    # Side of the square anchor at each level, in pixels of the molded image. Objects much
    # smaller than the first entry have no anchor to start from.
    RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512)
    # Width over height of the anchors in each place: tall, square, wide.
    RPN_ANCHOR_RATIOS = [0.5, 1, 2]
    # 1 puts anchors on every cell of the feature map, 2 on every other one.
    RPN_ANCHOR_STRIDE = 1
    # Proposals that overlap a better one by more than this are dropped. Raise it when
    # training starves for proposals, as crowded images do.
    RPN_NMS_THRESHOLD = 0.7
    # Anchors an image contributes to the proposal losses; the rest would drown the few
    # positive ones.
    RPN_TRAIN_ANCHORS_PER_IMAGE = 256
    # Best anchors, by score, that reach the suppression: its cost grows with their number.
    PRE_NMS_LIMIT = Linked(6000, 30)
    # Proposals left after it. Training samples from them; inference runs the heads on all.
    POST_NMS_ROIS_TRAINING = Linked(2000, 10)
    POST_NMS_ROIS_INFERENCE = Linked(1000, 5)

    # --- images and masks going in ---------------------------------------------------------
    # Ground-truth masks are cut to their box and shrunk: 100 full-size masks of one large
    # image fill gigabytes. Costs a little sharpness.
    USE_MINI_MASK = True
    # Height and width of such a mask.
    MINI_MASK_SHAPE = (56, 56)
    # How an image gets its network size: "square" scales and pads to IMAGE_MAX_DIM squared;
    # "pad64" scales up to IMAGE_MIN_DIM and pads each side to a multiple of 64; "crop" cuts
    # random squares of IMAGE_MIN_DIM, for training; "none" leaves it as it is. "shortest_edge"
    # scales the shorter side to IMAGE_MIN_DIM, unless the longer would pass IMAGE_MAX_DIM, and
    # pads to multiples of 32 at the right and below, with the mean; "shortest_edge_floor" is the
    # same with sides rounded down, as torchvision does it.
    IMAGE_RESIZE_MODE = "square"
    # The shorter side is enlarged to at least this, unless the longer would pass the maximum.
    IMAGE_MIN_DIM = 800
    # The longer side never exceeds this, in "square" mode. Memory grows with its square.
    IMAGE_MAX_DIM = 1024
    # A least enlargement, applied even where the sides are long enough already: 2.0 doubles
    # each image, for sets of many tiny objects. 0 asks for none. It counts for nothing where the
    # shortest edge decides.
    IMAGE_MIN_SCALE = 0
    # Colour channels: 3 for RGB, 1 for grey, 4 with depth, n for spectral images.
    IMAGE_CHANNEL_COUNT = 3
    # Subtracted from each channel, to centre the input where the pretrained weights expect it.
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])

    # --- heads: what they see and how they are trained -------------------------------------
    # Rois an image sends to the heads in training. With more of them the positives run out
    # and background takes over, which is why this is below the 512 of the paper.
    TRAIN_ROIS_PER_IMAGE = Linked(200, 1)
    # Share of positives among them (one to two, as in the paper).
    ROI_POSITIVE_RATIO = 0.33
    # Side of the feature patch cut for the class and box heads.
    POOL_SIZE = 7
    # Side of the patch cut for the mask head: half of MASK_SHAPE, which decides. Kept since
    # scripts set it; leave it at 14 and set MASK_SHAPE alone.
    MASK_POOL_SIZE = 14
    # Height and width of the predicted masks. Larger ones draw finer outlines, slower.
    MASK_SHAPE = [28, 28]
    # Objects of one image used in training; beyond that a random choice of them is.
    MAX_GT_INSTANCES = Linked(100)
    # The network learns box offsets divided by these, so that all four have a like spread.
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])

    # --- what detect() keeps ---------------------------------------------------------------
    # Objects reported per image, at most.
    DETECTION_MAX_INSTANCES = Linked(100)
    # Objects the classifier is less sure of than this are not reported.
    DETECTION_MIN_CONFIDENCE = 0.7
    # Two objects of one class that overlap by more than this count as one.
    DETECTION_NMS_THRESHOLD = 0.3

    # --- optimisation ----------------------------------------------------------------------
    # Far below the paper's 0.02, which belongs to a batch of 16 images: with one or two a
    # step, fine-tuning from trained weights diverges at that rate.
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9
    # Pulls weights towards zero so that they do not fit noise; not applied to batch-norm.
    WEIGHT_DECAY = 0.0001
    # What each loss counts in the sum that is minimised; a loss left out counts 1.
    LOSS_WEIGHTS = dict.fromkeys(checks.LOSS_NAMES, 1.0)
    # What each class counts in the class loss, NUM_CLASSES numbers with the background first: more
    # for the classes that are rare. Only their ratios matter. None: all alike.
    CLASS_WEIGHTS = None
    # False trains the heads on rois of the script's own (the input `input_roi`) in place of
    # the network's proposals, to study one half without the other.
    USE_RPN_ROIS = True
    # Batch-norm in training: False normalises with the stored statistics and leaves them as
    # they are, right for small batches of large images; None or True uses those of the batch
    # and moves the stored ones after them. Inference always uses the stored ones.
    TRAIN_BN = False
    # Gradients are scaled down when their global norm exceeds this, against loss explosions.
    # None turns it off.
    GRADIENT_CLIP_NORM = 5.0

    # --- added here ------------------------------------------------------------------------
    # Objects that one image may have. It sets MAX_GT_INSTANCES and DETECTION_MAX_INSTANCES, and
    # raises PRE_NMS_LIMIT (30 an object), POST_NMS_ROIS_TRAINING (10), POST_NMS_ROIS_INFERENCE
    # (5) and TRAIN_ROIS_PER_IMAGE (1) where they are too low for so many; what is assigned by
    # itself stays. None leaves all six as they are.
    MAX_OBJECTS_PER_IMAGE = None
    # Two objects of different classes that overlap by more than this (IoU of their boxes) count
    # as one, the surer of them. None keeps both; 0.7 to 0.9 removes what was named twice.
    DETECTION_NMS_ACROSS_CLASSES = None
    # An integer makes a run repeat itself: weights, order of images, augmentation, sampling. On
    # a CPU to the last bit, on a GPU up to rounding.
    SEED = None
    # "sgd", "adam", "adamw", or a callable (learning_rate, config) -> Keras optimizer. SGD is
    # Matterport's; AdamW gets further in few steps when training from scratch.
    OPTIMIZER = "sgd"
    # None holds the rate, "cosine" lowers it to zero over the run, "steps" drops it at LR_STEPS,
    # a callable (step) -> factor does anything else.
    LR_SCHEDULE = None
    # Steps over which the rate climbs from zero at the start: fresh heads on a trained
    # backbone give wild gradients at first.
    WARMUP_STEPS = 0
    # Checkpoints kept on disk: 0 keeps all, N keeps the best and the last N.
    CHECKPOINT_KEEP = 0
    # What the network computes in: "bfloat16" is faster and smaller where the processor or GPU has
    # it, "float16" (with loss scaling in training) on older GPUs. Weights stay float32, and so do
    # boxes, scores and losses.
    PRECISION = "float32"
    # Batches whose gradients are averaged before the weights move: the effect of a larger batch on
    # a card that has no room for one. STEPS_PER_EPOCH, WARMUP_STEPS and LR_SCHEDULE still count
    # batches, and each batch's losses are its own means.
    GRADIENT_ACCUMULATION = 1
    # Compute the backbone's features again in the backward pass in place of keeping them. It saves
    # what they need, not what the heads do: an eighth of a step with ResNet-50 on two images of
    # 512 px (benchmarks/rematerialize.py). The backbone's forward pass runs twice for it. JAX's
    # compiler undoes it on CPUs. Needs TRAIN_BN = False.
    REMATERIALIZE = False
    # Channels inside the proposal network and inside the mask head. Fewer make small models
    # for small images; released weights need these defaults.
    RPN_CONV_CHANNELS = 512
    MASK_CONV_CHANNELS = 256
    # Images without any object teach the model what to leave alone. False skips them.
    TRAIN_ON_EMPTY = True
    # A set read from annotation files is checked before training. "refuse" stops there with a
    # report of its faults, "skip" trains without exactly the images it names, "use" trains
    # unchecked, and stops at the first image that cannot be read.
    FAULTY_IMAGES = "refuse"
    # Threads that load images while the model works. None picks by the machine, 0 loads in
    # the main thread.
    LOADER_WORKERS = None
    # Megabytes of decoded and resized images to keep, for sets that fit: 0 keeps none. Not used
    # with IMAGE_RESIZE_MODE "crop".
    IMAGE_CACHE_MB = 0
    # A folder to keep them in, for the next run too; None keeps them in memory.
    IMAGE_CACHE_DIR = None
    # Images of like shape go into one batch, which wastes less on padding where shapes differ:
    # IMAGE_RESIZE_MODE "pad64", "none" and the shortest edge.
    GROUP_BY_ASPECT = False

    # --- the other school: the paper's and PyTorch's recipe ----------------------------------
    # Every default here is Matterport's way. `mrcnn.presets` sets these together; the guide
    # docs/two-schools.md says what each changes and costs.
    # Name of the preset that a class is built on, to be read: see `mrcnn.presets`.
    PRESET = "matterport"
    # A ResNet by name. "matterport": biases in the convolutions, strides in the first 1x1 of a
    # block, padding as TensorFlow's "same". "caffe" (detectron2) and "pytorch" (torchvision): no
    # biases, padding alike on all sides; "pytorch" has the strides in the 3x3.
    RESNET_STYLE = "matterport"
    # Added to the variance in batch-norm: Keras' number. Trained weights need the one they were
    # trained with: 1e-5 for detectron2, 0 for torchvision's published files.
    BATCH_NORM_EPSILON = 0.001
    # Batch-norm in the class head and the mask head; the paper has none there.
    HEADS_BATCH_NORM = True
    # The layers that give scores, deltas and masks start with small normal weights (0.01, and 0.001
    # for the heads' boxes and masks), so that boxes begin where anchors and rois are. Deltas that
    # are not divided by 0.1 need it: without, a proposal network can die in its first steps.
    HEADS_SMALL_INIT = False
    # "fpn", or "c4": no pyramid, one map of stride 16 for proposals and heads. Then
    # BACKBONE_STRIDES is [16], and each cell has an anchor for every scale and ratio.
    FEATURES = "fpn"
    # True keeps the backbone's batch-norm as loaded, gamma and beta included (TRAIN_BN = False
    # keeps its statistics only).
    FREEZE_BN = False
    # First stages of a ResNet by name that never train: 0 none, 1 the first convolution, 2 also
    # the first group of blocks, up to 5.
    FREEZE_AT = 0
    # What 0 and 1 mean in normalised boxes: "centers", the centres of the first and last pixel,
    # which makes boxes a pixel smaller than they are in pixels; "edges", the image's edges.
    BOX_NORMALIZATION = "centers"
    # Anchors in whole pixels, at the spacing of image side // cells, as torchvision has them.
    RPN_ANCHOR_ROUNDING = False
    # The best anchors of an object are positive however little they overlap it; False: only
    # those of an IoU of 0.7.
    RPN_LOW_QUALITY_MATCHES = True
    # PRE_NMS_LIMIT counts for each pyramid level, and levels do not suppress one another.
    # Proposals are then cut at the image without its padding, and those without area dropped.
    RPN_NMS_PER_LEVEL = False
    # PRE_NMS_LIMIT in training; None: the same.
    PRE_NMS_LIMIT_TRAINING = None
    # Proposals, and detections, with a side below so many pixels of the molded image are
    # dropped. 0 drops none.
    RPN_MIN_SIZE = 0
    DETECTION_MIN_SIZE = 0
    # Highest log(dh) and log(dw) a box may be stretched by, so that none can overflow; the
    # paper's code has log(1000 / 16). None: no bound.
    BBOX_XFORM_CLIP = None
    # How the heads see a roi: "crop_and_resize" samples one point a bin, from corner to corner;
    # "roi_align" averages points inside each bin (Mask R-CNN, section 3), and the pyramid level
    # is rounded down as in the FPN paper.
    ROI_ALIGN = "crop_and_resize"
    # Points of a bin along each axis in "roi_align". 0: as many as the bin has cells, detectron2's
    # way, not on JAX.
    ROI_ALIGN_SAMPLING_RATIO = 2
    # Half a cell's shift in "roi_align", so that cells are centred where their pixels are.
    ROI_ALIGN_ALIGNED = False
    # Ground truth boxes join the proposals of training, so that there are positives from the
    # start.
    PROPOSAL_APPEND_GT = False
    # Background rois fill the sample up to TRAIN_ROIS_PER_IMAGE, in place of keeping
    # ROI_POSITIVE_RATIO when there are few positives.
    ROI_BALANCED_SAMPLER = False
    # Where smooth L1 turns from square to line; 0 is L1.
    RPN_SMOOTH_L1_BETA = 1.0
    ROI_SMOOTH_L1_BETA = 1.0
    # Box losses: "positives", the mean over the coordinates of the positives; "sample", the sum
    # over the coordinates, divided by the number of all sampled anchors or rois.
    BBOX_LOSS_NORMALIZER = "positives"
    # "mean": Matterport's, the mean of each tensor's squares; "l2": half their sum, what SGD's
    # weight decay in other libraries means, and far stronger.
    WEIGHT_DECAY_MODE = "mean"
    # Each roi is tried as every class above the confidence, with NMS in each class, not only as
    # its best one.
    DETECTION_MULTI_LABEL = False
    # Masks are pasted with a frame of one empty cell into a box grown likewise, and follow the
    # box to a fraction of a pixel.
    MASK_PASTE_FRAME = False
    # What each channel is divided by, after the mean: one number or one a channel.
    IMAGE_STD = 1.0
    # For LR_SCHEDULE "steps": the shares of the run after which the rate drops tenfold.
    LR_STEPS = (2 / 3, 11 / 12)

    @_Derived
    def IMAGE_MEAN(self):  # noqa: N802
        """Another name of MEAN_PIXEL, which it follows until it is assigned: RGB, 0 to 255."""
        return self.MEAN_PIXEL

    @_Derived
    def BATCH_SIZE(self):  # noqa: N802
        """Images per training step."""
        return self.IMAGES_PER_GPU * self.GPU_COUNT

    @_Derived
    def IMAGE_SHAPE(self):  # noqa: N802
        """The molded image's [H, W, C] as an int array; where sizes vary the largest."""
        crop = self.IMAGE_RESIZE_MODE == "crop"
        side = self.IMAGE_MIN_DIM if crop else self.IMAGE_MAX_DIM
        if self.IMAGE_RESIZE_MODE in checks.SHORTEST_EDGE:
            side = -(-side // 32) * 32
        return np.array([side, side, self.IMAGE_CHANNEL_COUNT])

    @_Derived
    def IMAGE_META_SIZE(self):  # noqa: N802
        """Length of an image_meta row: id, two shapes, window, scale, one entry per class."""
        return 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES

    @_Derived
    def BACKBONE_SHAPES(self):  # noqa: N802
        """Feature-map (height, width) of each pyramid level for IMAGE_SHAPE, [L, 2] int."""
        if self.COMPUTE_BACKBONE_SHAPE is not None:
            return np.asarray(self.COMPUTE_BACKBONE_SHAPE(self.IMAGE_SHAPE))
        height, width = self.IMAGE_SHAPE[:2]
        return np.array([[math.ceil(height / stride), math.ceil(width / stride)]
                         for stride in self.BACKBONE_STRIDES])

    def __init__(self):
        for cls in type(self).__mro__:
            if cls not in Config.__mro__:
                for name in vars(cls):
                    self._warn_near_miss(name)
        self.validate()

    def __init_subclass__(cls, **kwargs):
        """Lets a plain function in a class body be a knob's value instead of a method.

        Raises:
            ValueError: the class sets PRESET.
        """
        super().__init_subclass__(**kwargs)
        if "PRESET" in vars(cls) and cls.__module__ != "mrcnn.presets":
            raise ValueError(f"{cls.__name__}.PRESET: it names the preset a class is built on, and "
                             "setting it does nothing; build the class on one of mrcnn.presets")
        cls._warned = set()
        for knob in KNOBS:
            value = vars(cls).get(knob)
            if isinstance(value, types.FunctionType):
                if next(iter(inspect.signature(value).parameters), None) != "self":
                    setattr(cls, knob, staticmethod(value))

    def __setattr__(self, name, value):
        self._warn_near_miss(name)
        super().__setattr__(name, value)

    _warned = set()

    def _warn_near_miss(self, name):
        if name.startswith("_") or name in self._warned or hasattr(Config, name):
            return
        if any(name.startswith(f"{knob}_") or name.endswith(f"_{knob}") for knob in KNOBS):
            return  # LEARNING_RATE_HEADS is somebody's own knob, not a slip
        close = difflib.get_close_matches(name.upper(), KNOBS, n=1, cutoff=NEAR_MISS)
        if close:
            self._warned.add(name)
            warnings.warn(f"{type(self).__name__}.{name} is not a knob of Config and has no "
                          f"effect; did you mean {close[0]}?", stacklevel=3)

    @property
    def mean_pixel(self):
        """IMAGE_MEAN as a float array [IMAGE_CHANNEL_COUNT].

        One number counts for every channel. Three numbers with more channels than that leave
        the others the average of the three; with fewer channels that average stands for each.
        """
        return self._one_a_channel(self.IMAGE_MEAN)

    @property
    def image_std(self):
        """IMAGE_STD as a float array [IMAGE_CHANNEL_COUNT], as `mean_pixel`."""
        return self._one_a_channel(self.IMAGE_STD)

    def _one_a_channel(self, value):
        values, count = np.atleast_1d(np.asarray(value, float)), self.IMAGE_CHANNEL_COUNT
        if len(values) == count:
            return values
        rest = np.full(count, values.mean())
        return np.append(values if len(values) < count else [], rest)[:count]

    @property
    def box_edges(self):
        """Whether normalised boxes measure from edge to edge (BOX_NORMALIZATION)."""
        return self.BOX_NORMALIZATION == "edges"

    @property
    def level_scales(self):
        """RPN_ANCHOR_SCALES as a list for each feature level: one each, or all with "c4"."""
        if self.FEATURES == "c4":
            return [[float(scale) for scale in self.RPN_ANCHOR_SCALES]]
        return [[float(scale)] for scale in self.RPN_ANCHOR_SCALES]

    @property
    def mask_pool_shape(self):
        """(height, width) of the patch cut for the mask head, which doubles it."""
        return self.MASK_SHAPE[0] // 2, self.MASK_SHAPE[1] // 2

    def is_assigned(self, name):
        """False for a derived value that is still computed from other knobs."""
        return not (name in DERIVED and name not in vars(self)
                    and inspect.getattr_static(type(self), name) is vars(Config)[name])

    def validate(self):
        """Checks every knob, and turns a TRAIN_BN of 0 or 1 into False or True.

        Raises:
            ValueError: with one line `KNOB = value: must be ...; nearest valid: ...` for each
                value that cannot work.
        """
        found = checks.problems(self)
        if found:
            raise ValueError("\n".join(found))
        if self.TRAIN_BN is not None and not isinstance(self.TRAIN_BN, bool):
            self.TRAIN_BN = bool(self.TRAIN_BN)

    def _values(self):
        """Knobs and a script's own attributes by sorted name; no methods, no private names."""
        own = {name for name in dir(self)
               if not name.startswith("_") and not hasattr(Config, name)
               and not isinstance(inspect.getattr_static(self, name), property)}
        values = {name: getattr(self, name) for name in sorted(own.union(KNOBS))}
        return {name: value for name, value in values.items()
                if name in KNOBS or not callable(value)}

    def display(self):
        """Prints a table of all values, sorted by name.

        On a preset a second table follows: the knobs that differ from Matterport's.
        """
        values = self._values()
        width = max(map(len, values)) + 2
        print("\nConfigurations:")
        for name, value in values.items():
            print(f"{name:{width}}{value}")
        if self.PRESET != Config.PRESET:
            print(f"\nPreset {self.PRESET}: what differs from Matterport's defaults")
            for name, (value, usual) in self.differences().items():
                print(f"  {name:{width}}{value}  (not {usual})")
        print()

    def differences(self):
        """Knob -> (value, Matterport's default) where the two differ; derived ones left out."""
        default = Config()
        pairs = {name: (getattr(self, name), getattr(default, name))
                 for name in KNOBS if self.is_assigned(name)}
        return {name: pair for name, pair in pairs.items()
                if as_json.encode(pair[0]) != as_json.encode(pair[1])}

    def to_dict(self):
        """Every value by name, in types that JSON holds.

        Arrays and tuples become lists; a callable becomes {"callable": "module:name"}. A
        script's own attributes are included where JSON can hold them.
        """
        return as_json.encode_values(self._values(), KNOBS)

    @classmethod
    def from_dict(cls, values, **given):
        """An instance with the values of `to_dict()`.

        Args:
            values: what `to_dict()` answered, possibly through JSON.
            **given: knobs to use in place of the stored ones, such as BACKBONE=my_backbone
                for one that was a callable. Derived values follow them, except one that
                had been assigned. A callable that is not given back raises a ValueError naming
                it as soon as it is called, not before.

        Raises:
            TypeError: if `values` is not a dict.
            ValueError: from `validate()`.
        """
        if not isinstance(values, dict):
            raise TypeError(f"Config.from_dict expects a dict, received {type(values).__name__}")
        config = cls()
        decoded = as_json.decode_values(values, {knob: vars(Config)[knob] for knob in KNOBS})
        for name, value in decoded.items():
            if name not in DERIVED:
                setattr(config, name, value)
        lost = isinstance(config.COMPUTE_BACKBONE_SHAPE, as_json.MissingCallable)
        for name in DERIVED:  # what the stored knobs alone do not give was assigned
            if name in decoded and not (lost and name == "BACKBONE_SHAPES"):
                if not np.array_equal(decoded[name], getattr(config, name)):
                    setattr(config, name, decoded[name])
        stored_shape = config.IMAGE_SHAPE
        for name, value in given.items():
            setattr(config, name, value)
        if lost and not {"COMPUTE_BACKBONE_SHAPE", "BACKBONE_SHAPES"} & set(given):
            # Nothing can compute the shapes any more: the last answer stays, for its image size.
            if "BACKBONE_SHAPES" in decoded and np.array_equal(stored_shape, config.IMAGE_SHAPE):
                config.BACKBONE_SHAPES = decoded["BACKBONE_SHAPES"]
        config.validate()
        return config


KNOBS = tuple(name for name in vars(Config) if name.isupper())
DERIVED = tuple(name for name in KNOBS if isinstance(vars(Config)[name], _Derived))
