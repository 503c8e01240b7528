"""What a training imports, also that only as it goes on: children are forked from a process that has it (tests/children.py)."""
# ruff: noqa: F401

import librosa.filters
import torch._dynamo
import torch.utils.tensorboard

import bins.train
import models.base.gan
import models.base.trainer
import processors.mel
import tests.toy
import tests.toy_features
