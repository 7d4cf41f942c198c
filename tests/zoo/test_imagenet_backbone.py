"""torchvision's ResNet for ImageNet: its features are computed here."""

import keras
import numpy as np
import theirs
from agreement import CLOSE

from mrcnn.data.image_files import read_image
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.presets import TorchvisionConfig

STAGES = ("res2c_out", "res3d_out", "res4f_out", "res5c_out")


class FruitConfig(TorchvisionConfig):
    NAME = "fruit"
    NUM_CLASSES = 3
    IMAGES_PER_GPU = 1
    IMAGE_MIN_DIM, IMAGE_MAX_DIM = 192, 288


def lively_resnet(pixels):
    """A random ResNet-50 whose batch-norm has the statistics of these pixels [1, 3, H, W]."""
    theirs.imported()
    from torchvision.models import resnet50

    theirs.torch.manual_seed(0)
    net = resnet50(weights=None, num_classes=7)
    with theirs.torch.no_grad():
        for norm in net.modules():
            if isinstance(norm, theirs.torch.nn.BatchNorm2d):
                norm.momentum = 1.0
                norm.weight.uniform_(0.3, 0.8)
                norm.bias.normal_(0, 0.1)
        net.train()(pixels)
    return net.eval()


def stages_of(net, pixels):
    """Maps of the four stages, channels last."""
    with theirs.torch.no_grad():
        x, found = net.maxpool(net.relu(net.bn1(net.conv1(pixels)))), []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            found.append(theirs.channels_last(x))
    return found


def test_features_agree(coco_dir, tmp_path):
    model = MaskRCNN("training", FruitConfig(), str(tmp_path))
    image = read_image(sorted(coco_dir.glob("val2017/*.jpg"))[0])[:192, :256]
    config = model.config
    molded = ((image - config.mean_pixel) / config.image_std)[None].astype(np.float32)
    pixels = theirs.torch.as_tensor(molded).permute(0, 3, 1, 2).contiguous()
    net = lively_resnet(pixels)
    theirs.torch.save(net.state_dict(), tmp_path / "resnet50.pth")
    report = model.load_weights(str(tmp_path / "resnet50.pth"), by_name=True)
    assert not report.unused and "res5c_branch2c/kernel" in report.loaded
    assert all(name.startswith(("fpn", "rpn", "mrcnn")) for name in report.missing)
    trunk = keras.Model(model.keras_model.inputs[0],
                        [model.keras_model.get_layer(name).output for name in STAGES])
    for mine, yours in zip(trunk(molded), stages_of(net, pixels), strict=True):
        assert yours.std() > 0.1
        np.testing.assert_allclose(keras.ops.convert_to_numpy(mine), yours, atol=CLOSE, rtol=0)
