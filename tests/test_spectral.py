"""Transforms and their inverses against closed forms and torch."""

import numpy as np
import pytest
import torch

from modules.spectral import InverseMDCT, InverseSTFT, overlap_add
from processors.mel import STFT


@pytest.mark.parametrize("size, hop", [(5, 5), (7, 3), (8, 2), (3, 4), (6, 1)])
def test_overlap_add_adds_each_piece_in_its_place(size, hop):
    pieces, total = torch.randn(2, 4, size), torch.zeros(2, 3 * hop + size)
    for frame in range(4):
        total[:, frame * hop : frame * hop + size] += pieces[:, frame]
    torch.testing.assert_close(overlap_add(pieces, hop), total)


@pytest.mark.parametrize("padding", ["same", "center"])
@pytest.mark.parametrize(
    "n_fft, win_size, hop", [(64, 64, 16), (60, 60, 20), (64, 32, 8), (63, 63, 16), (64, 64, 15), (64, 64, 40)]
)
def test_the_inverse_of_an_stft_is_the_sound(n_fft, win_size, hop, padding):
    wave = torch.randn(2, 12 * hop)
    spectrum = STFT(hop_size=hop, n_fft=n_fft, win_size=win_size, padding=padding)(wave)
    inverse = InverseSTFT(hop_size=hop, n_fft=n_fft, win_size=win_size, padding=padding)
    full = inverse(spectrum.real, spectrum.imag, full=True)
    assert full.shape == (2, spectrum.shape[1] * hop)
    inside = slice(0, 11 * hop)
    torch.testing.assert_close(full[:, inside], wave[:, inside], rtol=1e-4, atol=1e-4)
    pieces = (way(spectrum.real, spectrum.imag) for way in (inverse.by_fft, inverse.by_matrix))
    torch.testing.assert_close(*pieces, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n_fft, win_size, hop", [(64, 64, 16), (64, 32, 8), (65, 65, 16), (48, 40, 13)])
def test_centred_it_is_torchs(n_fft, win_size, hop):
    spectrum = torch.randn(2, 9, n_fft // 2 + 1, dtype=torch.complex64)
    ours = InverseSTFT(hop_size=hop, n_fft=n_fft, win_size=win_size, padding="center")(spectrum.real, spectrum.imag)
    theirs = torch.istft(spectrum.transpose(1, 2), n_fft, hop, win_size, torch.hann_window(win_size))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("hop", [1, 2, 7, 16])
def test_mdct_there_and_back_is_the_sound(hop):
    """The MDCT by its formula; half a frame at either end has no neighbour to cancel its aliasing."""
    frames, n, k = 9, np.arange(2 * hop), np.arange(hop)[:, None]
    wave = np.random.default_rng(0).standard_normal((frames + 1) * hop)
    window = np.sin(np.pi * (n + 0.5) / (2 * hop))
    kernel = np.sqrt(2 / hop) * np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5))
    pieces = np.stack([wave[i * hop : (i + 2) * hop] * window for i in range(frames)])
    coefficients = torch.from_numpy(pieces @ kernel.T).float()[None]
    centred = InverseMDCT(hop_size=hop, padding="center")(coefficients)[0].numpy()
    np.testing.assert_allclose(centred, wave[hop:-hop], atol=1e-5)
    same = InverseMDCT(hop_size=hop, padding="same")(coefficients, full=True)[0].numpy()
    assert len(same) == frames * hop
    np.testing.assert_allclose(
        same[hop - hop // 2 : -hop], wave[hop : hop // 2 - hop or None][: len(same) - 2 * hop + hop // 2], atol=1e-5
    )


def test_transforms_refuse_what_cannot_overlap():
    with pytest.raises(ValueError, match=r"hop_size < win_size <= n_fft.*hop_size 64, win_size 64"):
        InverseSTFT(hop_size=64, n_fft=64)
