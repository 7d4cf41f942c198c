"""The networks, in data-flow order: resnet, backbones, fpn, rpn, heads, losses, assembly."""
