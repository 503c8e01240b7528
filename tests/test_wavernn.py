"""WaveRNN in the containers that it is published in."""


import numpy as np
import pytest
import torch

from models import load
from models.vocoders.distributions import Output
from models.vocoders.wavernn import WaveRNN
from tests.networks import expected, says, stirred
from tests.test_distributions import OUTPUTS
from tests.test_wavenet import FACTS, MEL, autoregressive_folder


def wavernn(output=OUTPUTS["mu-law"], **options):
    sizes = {"upsample_factors": (2, 3), "rnn_dims": 12, "fc_dims": 10, "compute_dims": 8, "res_out_dims": 8, "res_blocks": 2}
    return stirred(WaveRNN(**FACTS, output=output, **{**sizes, **options}))


HPARAMS = """
import os
wav_path = os.path.join('a', 'b')
sample_rate = 600
n_fft = 64
num_mels, other = 6, 7
num_mels = 6
hop_length = 2 * 3
win_length = sample_rate / 10
fmin = 40
bits = 5
mu_law = True
voc_mode = 'RAW'
voc_upsample_factors = (2, 3)
voc_pad = 2
voc_lr = print('code ran') or 1e-4
"""


def test_a_checkpoint_of_fatchord_is_read_and_its_settings_are_not_run(tmp_path, capsys):
    model = wavernn(Output(kind="categorical", classes=32), padding="zeros")
    (tmp_path / "hparams.py").write_text(HPARAMS)
    torch.save({**model.state_dict(), "step": torch.zeros(1, dtype=torch.long)}, tmp_path / "latest_weights.pyt")
    np.testing.assert_allclose(says(tmp_path, MEL), expected(model, MEL), atol=1e-5)
    assert "code ran" not in capsys.readouterr().out
    (tmp_path / "hparams.py").write_text(HPARAMS.replace("'RAW'", "'BITS'"))
    with pytest.raises(ValueError, match="BITS"):
        load(tmp_path)
    (tmp_path / "hparams.py").write_text(HPARAMS.replace("bits = 5", ""))
    with pytest.raises(ValueError, match="lacks the setting 'bits'"):
        load(tmp_path)
    (tmp_path / "hparams.py").write_text("voc_mode = (")
    with pytest.raises(ValueError, match="not a Python file"):
        load(tmp_path)


def test_a_folder_of_amphion_is_read(tmp_path):
    section = {"MODE": "mu_law_quantize", "BITS": 5, "MEL_FRAME_PAD": 2, "RNN_DIMS": 12, "RES_OUT_DIMS": 8, "HOP_LENGTH": 6}
    section |= {"FC_DIMS": 10, "UPSAMPLE_FACTORS": [2, 3], "INPUT_DIM": 6, "COMPUTE_DIMS": 8, "RES_BLOCKS": 2}
    model = wavernn(padding="zeros")
    autoregressive_folder(tmp_path, "WaveRNN", section, model)
    np.testing.assert_allclose(says(tmp_path, MEL), expected(model, MEL), atol=1e-5)
