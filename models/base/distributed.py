"""What several processes share: Accelerate as a training sets it up, and what torch's errors about them mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from models.base.settings import TrainConfig
from utils.names import some

if TYPE_CHECKING:
    from accelerate import Accelerator

SHOWN = 10  # names in a message
UNFINISHED = "Expected to have finished reduction in the prior iteration"  # as torch says that a parameter was not used
UNUSED = re.compile(r"did not receive grad for rank \d+: ([\d ]+)")


def accelerator_of(config: TrainConfig) -> Accelerator:
    """Accelerate for these settings."""
    from accelerate import Accelerator

    # Without cpu=True every process started by torchrun on a machine without GPU believes it is alone.
    return Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=precision(config))


def precision(config: TrainConfig) -> str:
    """The precision that `train.mixed_precision` asks for on this machine."""
    if config.mixed_precision != "auto":
        return config.mixed_precision
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"


def prepared(accelerator: Accelerator, network: nn.Module, optimizer: Any, *, find_unused: bool) -> tuple[nn.Module, Any]:
    """`network` and its optimizer for all processes; with `find_unused`, a batch need not use every parameter."""
    from accelerate.utils import DistributedDataParallelKwargs

    accelerator.ddp_handler = DistributedDataParallelKwargs(find_unused_parameters=find_unused)
    return accelerator.prepare(network, optimizer)


def unprepare(network: nn.Module) -> None:
    """Takes off a network what Accelerate left on it, so that it can be prepared anew."""
    for attribute in ("forward", "_original_forward", "_is_accelerate_prepared"):
        vars(network).pop(attribute, None)


def any_asked(accelerator: Accelerator, asked: bool) -> bool:
    """Whether any process asks; the same on each of them."""
    if accelerator.num_processes == 1:
        return asked
    asking = torch.tensor(int(asked), device=accelerator.device)
    return bool(accelerator.reduce(asking, "sum").item())


def share_buffers(module: nn.Module) -> None:
    """Gives all processes the first one's buffers: each has seen batches of its own."""
    from accelerate.utils import broadcast

    for buffer in module.buffers():
        broadcast(buffer)


def unused_parameters(error: Exception, model: nn.Module) -> str:
    """What to say where `error` is torch's about parameters of `model` that a batch did not use; "" for others."""
    if UNFINISHED not in str(error):
        return ""
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    listed = UNUSED.search(str(error))
    numbers = [int(number) for number in listed[1].split()] if listed else []
    unused = [names[number] for number in numbers if number < len(names)]
    return (
        f"a batch did not use all parameters of {type(model).__name__}, and its processes were not told to expect that: "
        f"{some(unused, SHOWN) or 'which ones, torch does not say'}. Where that is meant, as in a model that draws a branch, "
        "set train.find_unused_parameters to true (the model's class may say it for good: uses_all_parameters = False). "
        "Where it is not, take what is never used out of the model."
    )
