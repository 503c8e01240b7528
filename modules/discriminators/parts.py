"""What the discriminators share: the form of their answer, one pass for real and fake, and stacks of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from torch import Tensor, nn
from torch.nn import functional as F

Judgement = tuple[list[Tensor], list[Tensor], list[list[Tensor]], list[list[Tensor]]]
Norm = Callable[[nn.Module], nn.Module]


def plain(layer: nn.Module) -> nn.Module:
    """No norm."""
    return layer


def scaled(channels: int, multiplier: float) -> int:
    """`channels` times `multiplier`, one at least; a single channel is the wave itself and stays."""
    return channels if channels == 1 else max(1, int(channels * multiplier))


def through(x: Tensor, convs: nn.ModuleList, last: nn.Module, slope: float = 0.1) -> tuple[Tensor, list[Tensor]]:
    """The score, which is what `last` gives, and the feature maps of every other layer."""
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), slope, inplace=True)
        features.append(x)
    return last(x), features


def flat(score: Tensor, features: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The score (batch, ...) flattened, and itself the last of the feature maps, as HiFi-GAN has it."""
    return score.flatten(1), [*features, score]


def split(answers: list[tuple[Tensor, list[Tensor]]]) -> Judgement:
    """The halves of one pass over real and fake together.

    One pass, and not two: power iteration of spectral norm goes one step per call, and both must meet the same weights.
    """
    scores_real = []
    scores_fake = []
    features_real = []
    features_fake = []
    for score, features in answers:
        real, fake = score.chunk(2)
        scores_real.append(real)
        scores_fake.append(fake)
        halves = [feature.chunk(2) for feature in features]
        features_real.append([real for real, _ in halves])
        features_fake.append([fake for _, fake in halves])
    return scores_real, scores_fake, features_real, features_fake


def enough(x: Tensor, samples: int, which: str, why: str) -> None:
    """Raises ValueError when `x` (..., samples) is too short to be judged."""
    if x.shape[-1] < samples:
        raise ValueError(
            f"discriminator.{which}: {why} needs {samples} samples or more, got {x.shape[-1]}: "
            "lengthen train.segment_frames, or choose a smaller one."
        )


@dataclass(frozen=True, kw_only=True)
class PlaneSizes:
    """Kernel and stride (time, frequency) of `planes`, and the dilation in time of each layer that strides."""

    kernel_size: tuple[int, int] = (3, 9)
    stride: tuple[int, int] = (1, 2)
    dilations: tuple[int, ...] = (1, 2, 4)


UNDILATED = PlaneSizes(dilations=(1, 1, 1))
# A discriminator's settings of `sizes` went by their own names before they were grouped; see `utils.config.in_groups`.
FORMER_SIZES = {field.name: f"sizes.{field.name}" for field in fields(PlaneSizes)}


def planes(widths: list[int], sizes: PlaneSizes = UNDILATED, *, norm: Norm, first: Norm) -> nn.ModuleList:
    """Convolutions over time and frequency: one, one per dilation in time that halves the frequencies, one small one.

    `widths` are the channels from the input on; the first layer has a norm of its own.
    """
    tall, wide = sizes.kernel_size
    shapes = [((tall, wide), (1, 1), 1)]
    for dilation in sizes.dilations:
        shapes.append(((tall, wide), sizes.stride, dilation))
    shapes.append(((tall, tall), (1, 1), 1))
    layers = nn.ModuleList()
    for inputs, outputs, (kernel, stride, dilation) in zip(widths, widths[1:], shapes, strict=False):
        in_time = (tall - 1) * dilation // 2
        in_frequency = (kernel[1] - 1) // 2
        padding = (in_time, in_frequency)
        layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, (dilation, 1))
        wrap = norm if layers else first
        layers.append(wrap(layer))
    return layers


def growing(inputs: int, filters: int, scale: int, most: int, dilations: tuple[int, ...]) -> list[int]:
    """The widths of `planes`: `filters` times `scale` at each layer, `most` at the most."""
    widths = [inputs]
    for i in range(len(dilations) + 2):
        widths.append(min(filters * scale**i, most))
    return widths
