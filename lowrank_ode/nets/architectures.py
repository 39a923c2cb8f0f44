"""Networks whose names stand in tables, layer by layer: no more than that is needed to count them,
for a network is its layers, and parameters come with `init`.

Kernels are unfolded as everywhere here. What has no parameters and acts in training alone, or not
at all on images of the usual size, is left out: dropout, local response normalisation, pooling to
a fixed size. `tests/nets/test_architectures.py` has the totals.
"""

from ..options import check_count
from .averages import GlobalAverage
from .groups import BlockDiagonal
from .images import Flatten, MaxPool, Patches
from .layers import Dense
from .networks import Network
from .norms import BatchNorm
from .skips import Residual, ZeroPadded

WIDTHS = (64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512, None, 512, 512, 512,
          None)                                     # of VGG16; None: pooling


def resnet_cifar(depth=20, shortcut="A", shape=(32, 32, 3), classes=10):
    """The networks of [HZRS16] for small images, of depth 6n + 2: a convolution, and n blocks of
    two convolutions each with 16, 32 and 64 channels, the pixels halved in between.

    shortcut: where a block changes the shape, "A" pads with channels of zeros, "B" is a
    convolution of 1 × 1. Raises ValueError for another depth or shortcut.

    >>> resnet_cifar(20).weight_shapes[:3]
    [(16, 27), (16, 144), (16, 144)]
    """
    n, rest = divmod(check_count("depth", depth) - 2, 6)
    if n < 1 or rest:
        raise ValueError(f"depth: got {depth}, expected 6n + 2, such as 20, 32, 44, 56")
    if shortcut not in ("A", "B"):
        raise ValueError(f"shortcut: got {shortcut!r}, expected 'A' or 'B'")
    blocks, below = [], 16
    for width in (16, 32, 64):
        for k in range(n):
            stride = 2 if k == 0 and width > 16 else 1
            beside = _beside(below, width, stride)
            if beside and shortcut == "A":
                beside = (ZeroPadded(width, stride),)
            blocks.append(Residual(_basic(width, stride), beside))
            below = width
    layers = (*_conv(16, 3), *blocks, GlobalAverage(), *_last(classes))
    return Network(tuple(shape), layers)


def wide_resnet(depth=16, widening=8, shape=(32, 32, 3), classes=10):
    """Wide residual networks of depth 6n + 4 [ZK16]: n blocks of two convolutions each with 16, 32
    and 64 channels times `widening`; normalisation and relu come before each convolution, and
    before the shortcut of 1 × 1 where a block changes the shape. ValueError for another depth.

    Its normalisations are not all right above a weight: it is not `folded`.
    """
    n, rest = divmod(check_count("depth", depth) - 4, 6)
    if n < 1 or rest:
        raise ValueError(f"depth: got {depth}, expected 6n + 4, such as 16, 22, 28, 40")
    layers, below, before = [Patches(3, 1, 1), _weight(16)], 16, BatchNorm("relu")
    for width in (16 * widening, 32 * widening, 64 * widening):
        for k in range(n):
            stride = 2 if k == 0 and width > 16 * widening else 1
            inside = (Patches(3, stride, 1), _weight(width), before, Patches(3, 1, 1),
                      _weight(width))
            if (below, stride) == (width, 1):
                layers.append(Residual((before, *inside), (), "identity"))
            else:
                windows = (Patches(1, stride),) * (stride > 1)
                layers += [before, Residual(inside, (*windows, _weight(width)), "identity")]
            below = width
    return Network(tuple(shape), (*layers, before, GlobalAverage(), *_last(classes)))


def resnet18(shape=(224, 224, 3), classes=1000):
    """ResNet-18 of [HZRS16], shortcuts of 1 × 1: two blocks of two convolutions each with 64, 128,
    256 and 512 channels."""
    return _resnet(shape, classes, (2, 2, 2, 2), _basic, 1)


def resnet50(stride_in="3x3", shape=(224, 224, 3), classes=1000):
    """ResNet-50 of [HZRS16]: blocks of a 1 × 1, a 3 × 3 and a wider 1 × 1 convolution.

    stride_in: the convolution of a block that halves the pixels, "3x3" as in torchvision, or "1x1"
    as in the paper; ValueError for another. Parameters are the same, multiplications fewer.
    """
    if stride_in not in ("3x3", "1x1"):
        raise ValueError(f"stride_in: got {stride_in!r}, expected '3x3' or '1x1'")

    def bottleneck(width, stride):
        first, second = (stride, 1) if stride_in == "1x1" else (1, stride)
        return (*_conv(width, 1, first), *_conv(width, 3, second),
                *_conv(4 * width, 1, activation="identity"))

    return _resnet(shape, classes, (3, 4, 6, 3), bottleneck, 4)


def vgg16(shape=(224, 224, 3), classes=1000):
    """VGG16 [SZ15]: 13 convolutions of 3 × 3 with bias, pooling by 2, 4096, 4096 and `classes`
    outputs."""
    convolutions = [layer for n in WIDTHS
                    for layer in ((MaxPool(),) if n is None else (Patches(3, 1, 1), Dense(n)))]
    layers = (*convolutions, *_head(classes))
    return Network(tuple(shape), layers)


def vgg16_cifar(shape=(32, 32, 3), classes=10):
    """VGG16 for small images: batch normalisation behind each convolution, which has a bias, too,
    and a single dense layer at the end."""
    convolutions = [layer for n in WIDTHS
                    for layer in ((MaxPool(),) if n is None else _conv(n, 3, bias=True))]
    return Network(tuple(shape), (*convolutions, Flatten(), *_last(classes)))


def alexnet(shape=(224, 224, 3), classes=1000):
    """AlexNet as in torchvision, without groups [KRI14]: 64, 192, 384, 256 and 256 channels."""
    layers = (Patches(11, 4, 2), Dense(64), MaxPool(3, 2), Patches(5, 1, 2), Dense(192),
              MaxPool(3, 2), Patches(3, 1, 1), Dense(384), Patches(3, 1, 1), Dense(256),
              Patches(3, 1, 1), Dense(256), MaxPool(3, 2))
    return Network(tuple(shape), (*layers, *_head(classes)))


def alexnet_caffe(shape=(227, 227, 3), classes=1000):
    """AlexNet as in Caffe [KSH12]: 96, 256, 384, 384 and 256 channels, the second, fourth and fifth
    convolution in two groups, blocks of their own."""
    layers = (Patches(11, 4), Dense(96), MaxPool(3, 2),
              Patches(5, 1, 2, groups=2), BlockDiagonal(256, 2), MaxPool(3, 2),
              Patches(3, 1, 1), Dense(384), Patches(3, 1, 1, groups=2), BlockDiagonal(384, 2),
              Patches(3, 1, 1, groups=2), BlockDiagonal(256, 2), MaxPool(3, 2))
    return Network(tuple(shape), (*layers, *_head(classes)))


def _resnet(shape, classes, counts, block, widening):
    """A large ResNet: so many blocks at each width, their outputs wider than that."""
    blocks, below = [], 64
    for width, count in zip((64, 128, 256, 512), counts, strict=True):
        for k in range(count):
            stride = 2 if k == 0 and width > 64 else 1
            beside = _beside(below, widening * width, stride)
            blocks.append(Residual(block(width, stride), beside))
            below = widening * width
    layers = (*_conv(64, 7, 2), MaxPool(3, 2, 1), *blocks, GlobalAverage(), *_last(classes))
    return Network(tuple(shape), layers)


def _conv(n, size, stride=1, activation="relu", bias=False):
    """A convolution that keeps the size of the image but for the stride, and its normalisation. Of
    windows of one pixel there is a layer only for the stride."""
    windows = () if size == stride == 1 else (Patches(size, stride, size // 2),)
    return *windows, _weight(n, bias), BatchNorm(activation)


def _weight(n, bias=False):
    return Dense(n, "identity", gain=2.0, bias=bias)


def _basic(width, stride):
    return *_conv(width, 3, stride), *_conv(width, 3, activation="identity")


def _beside(below, width, stride):
    """Shortcut B, where the shape changes."""
    return () if (below, stride) == (width, 1) else _conv(width, 1, stride, "identity")


def _head(classes):
    return Flatten(), Dense(4096), Dense(4096), *_last(classes)


def _last(classes):
    return (Dense(classes, "identity", gain=2.0),)


ARCHITECTURES = {
    "resnet20": resnet_cifar, "resnet20b": lambda: resnet_cifar(20, "B"),
    "resnet32": lambda: resnet_cifar(32), "vgg16_cifar": vgg16_cifar, "resnet18": resnet18,
    "resnet50": resnet50, "resnet50_1x1": lambda: resnet50("1x1"), "vgg16": vgg16,
    "alexnet": alexnet, "alexnet_caffe": alexnet_caffe}
