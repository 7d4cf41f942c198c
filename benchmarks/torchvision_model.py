"""torchvision's Mask R-CNN with ResNet-50-FPN, set to the same numbers as ours.

As `torchvision.models.detection.maskrcnn_resnet50_fpn` builds it, with frozen batch statistics:
without weights that function would train them. Random weights.
"""

import torch
import torchvision
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList

SAME_NUMBERS = {
    "rpn_pre_nms_top_n_test": 6000, "rpn_post_nms_top_n_test": 1000,
    "rpn_pre_nms_top_n_train": 6000, "rpn_post_nms_top_n_train": 2000,
    "rpn_batch_size_per_image": 256, "box_batch_size_per_image": 200,
    "box_positive_fraction": 0.33, "box_nms_thresh": 1.0, "box_detections_per_img": 100,
}


def build(height, width, classes=81, device="cpu", small=False):
    """The model in evaluation mode; images of height x width are not resized by it.

    Args:
        height, width: of the images in pixels.
        classes: with the background.
        device: torch device.
        small: ResNet-18 in place of ResNet-50, for tests.
    """
    torch.manual_seed(0)
    name = "resnet18" if small else "resnet50"
    backbone = resnet_fpn_backbone(backbone_name=name, weights=None, trainable_layers=5)
    model = MaskRCNN(backbone, classes, min_size=min(height, width), max_size=max(height, width),
                     **SAME_NUMBERS)
    calm(model)
    return model.eval().to(device)


def calm(model):
    """Scale the last normalisation of every block down: without statistics sums grow and grow."""
    for name, values in model.backbone.body.named_buffers():
        if name.endswith(("bn3.weight", "bn2.weight")) and "layer" in name:
            values.mul_(0.3)


@torch.inference_mode()
def let_through(model, images, candidates=1000):
    """Set the score threshold so that about `candidates` boxes an image reach suppression.

    A random network gives all 80 classes of a box about the same score; at a threshold of 0,
    80,000 boxes would be sorted, which a trained network never has to do. Our network takes
    each proposal once, at its best class, so it has 1000.

    Args:
        model: of `build`.
        images: list of [3, H, W] float tensors on its device.
        candidates: boxes an image.
    """
    seen = []
    hook = model.roi_heads.box_predictor.register_forward_hook(
        lambda module, inputs, outputs: seen.append(outputs[0]))
    model(images[:1])
    hook.remove()
    scores = torch.softmax(seen[0].float(), -1)[:, 1:].flatten()
    model.roi_heads.score_thresh = float(scores.topk(min(candidates, len(scores))).values[-1])


def to_device(images, device):
    """uint8 [H, W, 3] arrays as [3, H, W] float tensors of 0 to 1 on the device."""
    return [torch.from_numpy(image).to(device).permute(2, 0, 1).float() / 255
            for image in images]


@torch.inference_mode()
def network(model, batch, device):
    """Molded images [B, 3, H, W] on the host in; boxes, classes, scores and small masks out."""
    batch = batch.to(device)
    sizes = [tuple(batch.shape[2:])] * len(batch)
    features = model.backbone(batch)
    proposals, _ = model.rpn(ImageList(batch, sizes), features)
    found, _ = model.roi_heads(features, proposals, sizes)
    return [{name: values.float().cpu() for name, values in one.items()} for one in found]


@torch.inference_mode()
def detect(model, images, device):
    """uint8 arrays in; boxes, classes, scores and whole bool masks [N, H, W] on the host out."""
    answers = model(to_device(images, device))
    return [{name: (values[:, 0] > 0.5 if name == "masks" else values.float()).cpu().numpy()
             for name, values in one.items()} for one in answers]


def targets_of(boxes, class_ids, masks, device):
    """One image's truth: boxes (y1, x1, y2, x2) px, ids, masks [H, W, N] -> torchvision's dict."""
    order = [1, 0, 3, 2]
    return {"boxes": torch.as_tensor(boxes[:, order].astype("float32"), device=device),
            "labels": torch.as_tensor(class_ids.astype("int64"), device=device),
            "masks": torch.as_tensor(masks.transpose(2, 0, 1).astype("uint8"), device=device)}


class TrainingStep:
    """One step of SGD on a batch: all losses, backward, update.

    Args:
        model: of `build`; it is set to training mode.
        device: torch device.
        low: torch dtype for autocast, or None.
    """

    def __init__(self, model, device, low=None):
        self.model, self.device, self.low = model.train(), device, low
        trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=1e-4, momentum=0.9, weight_decay=1e-4)

    def __call__(self, images, targets):
        """Images [3, H, W] float tensors and targets on the host; answers the loss, a float."""
        images = [image.to(self.device) for image in images]
        targets = [{k: v.to(self.device) for k, v in one.items()} for one in targets]
        with torch.autocast(self.device, self.low, enabled=self.low is not None):
            loss = sum(self.model(images, targets).values())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


def version():
    """Versions of torch and torchvision in one text."""
    return f"torch {torch.__version__}, torchvision {torchvision.__version__}"
