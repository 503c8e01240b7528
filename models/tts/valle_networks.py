"""The two networks of VALL-E: one predicts the first codebook, code after code, the other each further one, all frames at once.

Both see the text, then the sound: [phones, codes], each with positions of its own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.language import Cache, DecoderSizes, Positions
from modules.masks import valid

TEXT_KERNEL = 5
SOUND_HIDDEN = 256


class TextPrenet(nn.Sequential):
    """Three convolutions with batch norms over (batch, places, channels), and a linear layer. What lies behind the end has no say."""

    sees_padding = False  # as published weights did in their training

    def __init__(self, channels: int) -> None:
        parts: list[nn.Module] = []
        for _ in range(3):
            parts += [nn.Conv1d(channels, channels, TEXT_KERNEL, padding="same"), nn.BatchNorm1d(channels), nn.ReLU(), nn.Dropout(0.5)]
        super().__init__(*parts, nn.Linear(channels, channels))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """`mask` (batch, places): True where real."""
        *parts, linear = self
        real = mask[:, None] | self.sees_padding
        x = x.transpose(1, 2)
        for part in parts:
            x = part(x * real) if isinstance(part, nn.Conv1d) else part(x)
        return linear(x.transpose(1, 2))


class SoundPrenet(nn.Sequential):
    """A bottleneck of three linear layers."""

    def __init__(self, channels: int) -> None:
        first = (nn.Linear(channels, SOUND_HIDDEN), nn.ReLU(), nn.Dropout(0.25))
        second = (nn.Linear(SOUND_HIDDEN, SOUND_HIDDEN), nn.ReLU(), nn.Dropout(0.25))
        super().__init__(*first, *second, nn.Linear(SOUND_HIDDEN, channels))


class CodeNetwork(nn.Module):
    """What both have: embeddings of phones, and how phones and codes become the places of one stack."""

    def __init__(self, n_vocab: int, channels: int, sizes: DecoderSizes, *, prenet: bool, staged: bool) -> None:
        super().__init__()
        self.text_embedding = nn.Embedding(n_vocab, channels)
        self.text_prenet = None
        self.audio_prenet = nn.Identity()
        if prenet:
            self.text_prenet = TextPrenet(channels)
            self.audio_prenet = SoundPrenet(channels)
        self.text_position = Positions(channels, sizes.dropout, learns=not staged)
        self.audio_position = Positions(channels, sizes.dropout, learns=not staged)
        self.decoder = sizes.network(channels, staged=staged)

    def embed_text(self, phone: Tensor, tokens: Tensor) -> Tensor:
        """Phones (batch, tokens) of the lengths `tokens` (batch,) as places (batch, tokens, channels)."""
        embedded = self.text_embedding(phone)
        if self.text_prenet is not None:
            embedded = self.text_prenet(embedded, valid(tokens, phone.shape[1]))
        return self.text_position(embedded)

    def embed_codes(self, embedded: Tensor, places: Tensor | None = None) -> Tensor:
        """Embedded codes (batch, frames, channels) as places."""
        return self.audio_position(self.audio_prenet(embedded), places)


class Autoregressive(CodeNetwork):
    """The first codebook. Phones see phones, codes see phones and the codes before them; `end` is the code that ends it.

    With `prepend_bos` a code of its own stands before the first, which can then be predicted too.
    """

    def __init__(
        self, *, n_vocab: int, codebook_size: int, channels: int, sizes: DecoderSizes, prenet: bool, prepend_bos: bool
    ) -> None:
        super().__init__(n_vocab, channels, sizes, prenet=prenet, staged=False)
        self.end = codebook_size
        self.before = int(prepend_bos)  # places before the first code
        self.audio_embedding = nn.Embedding(codebook_size + 1 + self.before, channels)
        self.predict_layer = nn.Linear(channels, codebook_size + 1, bias=False)

    def forward(
        self,
        phone: Tensor,
        tokens: Tensor,
        codes: Tensor,
        frames: Tensor,
        cache: Cache | None = None,
    ) -> Tensor:
        """Scores (batch, places, codebook_size + 1) of what comes behind each place of the sound.

        `phone` (batch, tokens), `codes` (batch, frames), with their lengths `tokens` and `frames` (batch,). A `cache` keeps all places.
        """
        x = self.places(phone, tokens, codes, frames)
        text = phone.shape[1]
        places = x.shape[1]
        if cache is not None:
            cache.at(0, places)
        real_text = valid(tokens, text)
        real_sound = valid(frames + self.before, places - text)
        real = torch.cat([real_text, real_sound], 1)
        mask = self.mask(real, text)
        hidden = self.decoder(x, mask, cache=cache)
        return self.predict_layer(hidden[:, text:])

    def places(self, phone: Tensor, tokens: Tensor, codes: Tensor, frames: Tensor) -> Tensor:
        """Text and sound (batch, places, channels); behind the end of a sound stands its end."""
        inside = valid(frames, codes.shape[1])
        codes = codes.masked_fill(~inside, self.end)
        if self.before:
            codes = F.pad(codes, (1, 0), value=self.end + 1)
        sound = self.embed_codes(self.audio_embedding(codes))
        text = self.embed_text(phone, tokens)
        return torch.cat([text, sound], 1)

    def mask(self, real: Tensor, text: int) -> Tensor:
        """(batch, 1, places, places): True where a place sees another. `real` (batch, places), of which the first are `text`."""
        places = real.shape[1]
        seen = torch.ones(places, places, dtype=torch.bool, device=real.device).tril()
        seen[:text, :text] = True
        return seen & real[:, None, None]

    def targets(self, codes: Tensor, frames: Tensor) -> Tensor:
        """What comes behind each place of the sound, as `forward` scores it: codes, then `end`, there and behind."""
        inside = valid(frames, codes.shape[1])
        codes = codes.masked_fill(~inside, self.end)
        first = 1 - self.before
        return F.pad(codes, (0, 1), value=self.end)[:, first:]

    def step(self, codes: Tensor, places: Tensor, seen: Tensor | None, cache: Cache) -> Tensor:
        """Scores (batch, codebook_size + 1) of what comes behind these `codes` (batch,), which stand at `places` (batch,) of the sound.

        `seen` (batch, 1, 1, places): what of the cache is real; None is all. The cache must stand where they go.
        """
        embedded = self.audio_embedding(codes[:, None])
        x = self.embed_codes(embedded, places[:, None])
        hidden = self.decoder(x, seen, cache=cache)
        return self.predict_layer(hidden[:, 0])


class Parallel(CodeNetwork):
    """The codebooks behind the first: stage 1 predicts the second from the first, stage 2 the third from both, and so on.

    What embeds codes and what scores them is one table: of the first codebook, which has one row more, then of each other, then what scores
    alone. With `share_embedding` a stage scores by the embeddings of the codebook behind the one that it predicts, and only the last one by
    rows of its own.
    """

    def __init__(
        self,
        *,
        n_vocab: int,
        codebooks: int,
        codebook_size: int,
        channels: int,
        sizes: DecoderSizes,
        prenet: bool,
        share_embedding: bool,
    ) -> None:
        super().__init__(n_vocab, channels, sizes, prenet=prenet, staged=True)
        self.codebooks = codebooks
        self.codebook_size = codebook_size
        self.shares = share_embedding
        stages = codebooks - 1
        alone = 1 if share_embedding else stages
        rows = codebook_size * (codebooks + alone) + 1
        self.audio_embedding = nn.Embedding(rows, channels)
        self.stage_embedding = nn.Embedding(stages, channels)
        with torch.no_grad():  # rows that score begin as small as a layer's would
            self.audio_embedding.weight[self._scores_from(1) :] *= channels**-0.5

    def _first_row(self, book: int) -> int:
        return book * self.codebook_size + int(book > 0)

    def embedded(self, codes: Tensor, stage: int, prompt: Tensor | None) -> Tensor:
        """The sum of the embeddings of the codebooks before that of the `stage`, and of all in the `prompt` (batch, frames), where it is True.

        `codes` (batch, frames, codebooks).
        """
        total = self.audio_embedding(codes[..., 0])
        for book in range(1, self.codebooks):
            if book >= stage and prompt is None:
                break
            vectors = self.audio_embedding(codes[..., book] + self._first_row(book))
            total = total + (vectors if book < stage else vectors * prompt[..., None])
        return total

    def forward(
        self,
        phone: Tensor,
        tokens: Tensor,
        codes: Tensor,
        frames: Tensor,
        stage: int,
        prompt: Tensor | None,
    ) -> Tensor:
        """Scores (batch, frames, codebook_size) of codebook `stage`, from 1 on; see `embedded`. Lengths as in `Autoregressive`."""
        x = self.places(phone, tokens, codes, frames, stage, prompt)
        text = phone.shape[1]
        real_text = valid(tokens, text)
        real_sound = valid(frames, codes.shape[1])
        real = torch.cat([real_text, real_sound], 1)
        mask = real[:, None, None]
        led = self.stage_embedding.weight[stage - 1 : stage]
        hidden = self.decoder(x, mask, led)
        sound = hidden[:, text:]
        return F.linear(sound, self.scoring(stage))

    def places(
        self,
        phone: Tensor,
        tokens: Tensor,
        codes: Tensor,
        frames: Tensor,
        stage: int,
        prompt: Tensor | None,
    ) -> Tensor:
        """Text and sound (batch, places, channels); behind the end of a sound stands what ends it."""
        behind = ~valid(frames, codes.shape[1])
        ended = codes.masked_fill(behind[..., None], 0)
        ended[..., 0][behind] = self.codebook_size
        embedded = self.embedded(ended, stage, prompt)
        sound = self.embed_codes(embedded)
        text = self.embed_text(phone, tokens)
        return torch.cat([text, sound], 1)

    def scoring(self, stage: int) -> Tensor:
        """The weights (codebook_size, channels) by which a stage scores."""
        first = self._scores_from(stage)
        return self.audio_embedding.weight[first : first + self.codebook_size]

    def _scores_from(self, stage: int) -> int:
        """The first row of those."""
        if self.shares:
            return self._first_row(stage + 1)
        return self._first_row(self.codebooks + stage - 1)
