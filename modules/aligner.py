"""An alignment that is learnt along with the rest (One TTS Alignment To Rule Them All, arXiv 2108.10447; Jets, arXiv 2203.16852).

`Aligner` says how likely each token is at each frame. `forward_sum` rewards all monotonic ways through the text together,
`binarisation` the best one, which `modules.alignment.durations` finds; `smooth` brings tokens to frames by it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.masks import greatest, valid

LOG_BLANK = -1.0  # the log-likelihood of a frame that belongs to no token, before all are normalised together
NEVER = -1e4  # a log-probability whose exponent is 0, and whose gradient is a number


class Aligner(nn.Module):
    """Convolutions over text and mel; a token is the likelier at a frame, the nearer the two come to lie.

    `as_published` is for published weights: the convolutions look at what lies beyond the end of a shorter utterance, and the
    prior expects a token more than there is (see `log_prior`).
    """

    def __init__(self, channels: int, n_mel: int, *, as_published: bool = False) -> None:
        super().__init__()
        self.as_published = as_published
        self.t_conv1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.t_conv2 = nn.Conv1d(channels, channels, 1)
        self.f_conv1 = nn.Conv1d(n_mel, channels, 3, padding=1)
        self.f_conv2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.f_conv3 = nn.Conv1d(channels, channels, 1)

    def forward(self, hidden: Tensor, mel: Tensor, tokens: Tensor, frames: Tensor) -> Tensor:
        """(batch, frames, tokens): the log-likelihood of each token at each frame times its prior; -inf beyond the ends.

        `hidden` (batch, tokens, channels), `mel` (batch, frames, n_mel), `tokens` and `frames` (batch,) lengths.
        """
        tokens = tokens.to(mel.device)
        frames = frames.to(mel.device)
        width = hidden.shape[1]
        length = mel.shape[1]
        token_mask = valid(tokens, width)[:, None]
        frame_mask = valid(frames, length)[:, None]
        text_layers = (self.t_conv1, self.t_conv2)
        sound_layers = (self.f_conv1, self.f_conv2, self.f_conv3)
        with torch.autocast(mel.device.type, enabled=False):
            text = self._through(text_layers, hidden.float(), token_mask)
            sound = self._through(sound_layers, mel.float(), frame_mask)
            nearness = -distance(sound, text)
            likelihood = nearness.masked_fill(~token_mask, -torch.inf).log_softmax(2)
            prior = log_prior(tokens, frames, width, length, one_more=self.as_published)
            likelihood = likelihood + prior
        inside = token_mask & frame_mask.transpose(1, 2)
        return likelihood.masked_fill(~inside, -torch.inf)

    def _through(self, layers: tuple[nn.Module, ...], x: Tensor, mask: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        for number, layer in enumerate(layers):
            x = F.relu(x) if number else x
            x = layer(x if self.as_published else x * mask)
        return x.transpose(1, 2)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (batch, n, m) of (batch, n, channels) and (batch, m, channels), without a tensor of all differences."""
    middle = b.mean(1, keepdim=True).detach()  # small numbers lose less when their squares are subtracted
    a = a - middle
    b = b - middle
    squares_a = a.square().sum(2)[:, :, None]
    squares_b = b.square().sum(2)[:, None]
    products = 2 * a @ b.transpose(1, 2)
    square = squares_a + squares_b - products
    return square.clamp(min=1e-10).sqrt()


def log_prior(tokens: Tensor, frames: Tensor, width: int, length: int, *, one_more: bool = False) -> Tensor:
    """(batch, length, width) beta-binomial log-probabilities: a token is expected about as far into the text as the frame into
    the sound. Numbers without a meaning beyond `tokens` and `frames` (batch,).

    Published programs draw one number more than there are tokens, `one_more`: the expected token then runs ahead, at the end by
    a whole one, and boundaries are found early.
    """
    device = tokens.device
    count = tokens[:, None, None] - int(not one_more)
    last = frames[:, None, None]
    # What lies beyond the ends takes a place within, where all logarithms exist.
    places = torch.arange(width, device=device)
    k = places[None, None].minimum(count)
    numbers = torch.arange(1, length + 1, device=device)
    a = numbers[None, :, None].minimum(last)
    b = last - a + 1
    greatest = width + length + 1
    arguments = torch.arange(greatest + 1, device=device, dtype=torch.float64)
    log_gamma = torch.lgamma(arguments)

    def log_beta(x: Tensor, y: Tensor) -> Tensor:
        of_sum = log_gamma[x + y]
        return log_gamma[x] + log_gamma[y] - of_sum

    left = count - k
    choose = log_gamma[count + 1] - log_gamma[k + 1] - log_gamma[left + 1]
    numerator = log_beta(k + a, left + b)
    denominator = log_beta(a, b)
    log_probability = choose + numerator - denominator
    return log_probability.float()


def forward_sum(likely: Tensor, tokens: Tensor, frames: Tensor) -> Tensor:
    """(batch,): minus the log-probability, a token, of all monotonic ways through the text together; 0 where there is none.

    `likely`: from `Aligner`. A frame may also belong to no token, as in CTC, whose sum this is; all utterances at once.
    """
    inside = torch.isfinite(likely)
    batch, length, width = likely.shape
    blank = likely.new_full((batch, length, 1), LOG_BLANK)
    finite = likely.masked_fill(~inside, NEVER)
    scores = torch.cat([blank, finite], 2).log_softmax(2)
    order = torch.arange(1, width + 1, device=likely.device)
    tokens = tokens.to(likely.device)
    frames = frames.to(likely.device)
    scores = scores.transpose(0, 1)
    loss = F.ctc_loss(scores, order.expand(batch, -1), frames, tokens, reduction="none", zero_infinity=True)
    return loss / tokens


def binarisation(likely: Tensor, path: Tensor, frames: Tensor) -> Tensor:
    """(batch,): minus the log-likelihood, a frame, of a `path` (batch, frames, tokens) of ones and zeros."""
    return -torch.where(path > 0, likely, 0.0).sum((1, 2)) / frames.to(likely.device)


def smooth(values: Tensor, durations: Tensor, sharpness: float = 0.1) -> tuple[Tensor, Tensor]:
    """Tokens to frames: each frame is a mean of the tokens around it, weighed by a bell curve over each token's middle.

    `values` (batch, tokens, channels), `durations` (batch, tokens) whole frames; a token of none has no say. Returns
    (batch, frames, channels), zeros beyond the end, and frames (batch,). The curve's variance is 1 / (2 sharpness) frames².
    """
    ends = durations.cumsum(1)
    frames = ends[:, -1]
    longest = greatest(frames)
    place = torch.arange(longest, device=values.device) + 0.5
    middle = ends - durations / 2
    distance = place[None, :, None] - middle[:, None]
    closeness = -sharpness * distance.square()
    empty = durations[:, None] == 0
    weights = closeness.masked_fill(empty, -torch.inf).softmax(2)
    stretched = weights.to(values.dtype) @ values
    inside = valid(frames, longest)
    stretched = stretched * inside[..., None]
    return stretched, frames
