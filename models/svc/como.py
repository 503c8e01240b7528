"""DiffComoSVC: singing voice conversion by a diffusion that is distilled into one step (CoMoSVC, https://arxiv.org/abs/2401.01792)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from models.svc.conversion import MelConversion
from models.svc.encoders import MelEncoderSizes, structure_loss
from modules.conditioning import Conditions
from modules.dilated import DilatedDenoiser, DilatedSizes, StepSizes
from modules.karras import Denoiser, Karras
from modules.masks import masked_mean, valid
from modules.noise import Noise

STUDENT = "student"  # the stage of training that distils
TEACHER_STEPS = 40
CONSISTENT = Karras(consistent=True)

Sampler = Literal["auto", "consistency", "euler", "heun"]


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How a student is taught: `levels` of noise that its teacher walks, and the `decay` of the student's slow copy at each update."""

    levels: int = 40
    decay: float = 0.95

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(f"distillation.levels: 2 or more are needed, got {self.levels}.")


class DiffComoSVC(MelConversion):
    """Contents, F0, energy and a speaker to a mel (batch, frames, n_mel): an encoder guesses it, and a diffusion refines the guess.

    With `distil` there is a student besides, for a training in stages: one called "student" trains the part `student` towards its own
    slow copy, between two levels of noise that the teacher walks, as `distillation` says. Any other stage trains the rest. `contents`
    are names of content features, `channels` how wide each is, `statistics["mel"]` the "min" and "max" of each band. The other
    defaults are Amphion's sizes. Raises ValueError when sizes do not fit together.
    """

    compiles = "teacher.neural_network.forward"
    draws = ("noise",)

    def __init__(
        self,
        *,
        n_mel: int,
        channels: dict[str, int],
        contents: tuple[str, ...],
        n_speakers: int = 1,
        statistics: dict[str, Any] | None = None,
        condition: Conditions = Conditions(),
        encoder: MelEncoderSizes = MelEncoderSizes(),
        steps: StepSizes = StepSizes(),
        stack: DilatedSizes = DilatedSizes(),
        karras: Karras = CONSISTENT,
        distil: bool = False,
        distillation: Distillation = Distillation(),
    ) -> None:
        facts = {"n_mel": n_mel, "channels": channels, "n_speakers": n_speakers, "statistics": statistics}
        super().__init__(contents=contents, condition=condition, **facts)
        self.n_mel = n_mel
        self.karras = karras
        self.distil_levels = distillation.levels
        width = self.condition_encoder.channels
        self.encoder = encoder.network(width, n_mel, see_padding=self.see_padding)
        sizes = {"n_mel": n_mel, "condition_channels": n_mel, "steps": steps, "stack": stack}
        self.teacher = DilatedDenoiser(**sizes)
        self.student = None
        if distil:
            self.student = DilatedDenoiser(**sizes)
            self.targets = {STUDENT: distillation.decay}
            self.register_buffer("distilled", torch.tensor(False))

    def begin_stage(self) -> None:
        """The student begins as its teacher. Raises ValueError where there is none."""
        if self.stage != STUDENT:
            return
        if self.student is None:
            raise ValueError(f"train.stages.{STUDENT}: the model has no student: set model.distil to true.")
        self.student.load_state_dict(self.teacher.state_dict())
        self.distilled.fill_(True)

    def forward(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """`prior` and `ssim`, of the guess, and `diffusion`, of the teacher; or in the stage "student" `distil` alone."""
        clean = self.scale.normal(batch["mel"])
        frames = batch["frames"].to(clean.device)
        inside = self.inside(batch)
        condition = self.conditioned(batch)
        guess = self.encoder(condition, inside)
        noise = Noise.like(clean, None if self.training else 0)
        rows = len(clean)
        index = noise.integers(self.distil_levels - 1, rows)
        sigma = self.karras.draw(rows, noise)
        drawn = noise.normal(*clean.shape) if self.training else noise.rows(frames, clean.shape)
        if self.stage == STUDENT:
            return {"distil": self.distil_loss(clean, guess, inside, index, drawn)}
        losses = self.guess_losses(clean, guess, inside)
        losses["diffusion"] = self.diffusion_loss(clean, guess, inside, sigma, drawn)
        return losses

    def guess_losses(self, clean: Tensor, guess: Tensor, inside: Tensor) -> dict[str, Tensor]:
        """How improbable a normalised mel is around the encoder's guess, and how unlike the two are built."""
        made = guess.float()
        square = (clean - made).square()
        improbable = (square + math.log(2 * math.pi)) / 2
        prior = masked_mean(improbable, inside)
        structure = structure_loss(made, clean, inside, see_padding=self.see_padding)
        return {"prior": prior, "ssim": structure}

    def diffusion_loss(self, clean: Tensor, guess: Tensor, inside: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """The teacher's squared error on a mel with `noise` (batch, frames, n_mel) of the levels `sigma` (batch,)."""
        noisy = self._noisy(clean, guess, sigma, noise)
        prediction = self.denoiser(self.teacher, guess, inside)(noisy, sigma)
        error = prediction.float() - clean
        square = error.square()
        weight = self.karras.weight(sigma)
        weighted = weight[:, None, None] * square
        return masked_mean(weighted, inside)

    def distil_loss(self, clean: Tensor, guess: Tensor, inside: Tensor, index: Tensor, noise: Tensor) -> Tensor:
        """How far the student is, at one level, from its slow copy at the level below, to which the teacher has walked.

        `index` (batch,) counts the lower levels from 0, the least.
        """
        levels = self.karras.sigmas(self.distil_levels)[:-1].flip(0).to(clean)
        low = levels[index]
        high = levels[index + 1]
        noisy = self._noisy(clean, guess, high, noise)
        prediction = self.denoiser(self.student, guess, inside)(noisy, high)
        with torch.no_grad():
            teacher = self.denoiser(self.teacher, guess, inside)
            nearer = self.karras.step(teacher, noisy, high, low)
            copy = self.denoiser(self.target(STUDENT), guess, inside)
            wanted = copy(nearer, low)
        error = prediction.float() - wanted.float()
        square = error.square()
        return masked_mean(square, inside)

    @torch.inference_mode()
    def infer(
        self,
        contents: dict[str, Tensor],
        f0: Tensor,
        energy: Tensor,
        speaker: Tensor,
        frames: Tensor | None = None,
        *,
        steps: int | None = None,
        sampler: Sampler = "auto",
        seed: int | None = None,
        noise: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """mel (batch, frames, n_mel).

        `contents` by name (batch, frames, channels), `f0` (batch, frames) in Hz, 0 where unvoiced, `energy` (batch, frames), `speaker`
        (batch,) numbers or (batch, channels) vectors, `frames` (batch,) lengths. The `sampler` "consistency" asks the student, "euler"
        and "heun" the teacher; "auto" the student where it was trained. `steps` None is 1 for the student, 40 for the teacher. The
        same `seed` gives the same twice. `noise` (steps, batch, frames, n_mel), standard normal, is given instead of drawn: what to
        begin with, then what the student adds before each further step. Raises ValueError for a sampler or a student that there is not.
        """
        condition = self.condition_encoder(contents, f0, energy, speaker, frames=frames)
        inside = None if frames is None else valid(frames, condition.shape[1])
        guess = self.encoder(condition, inside)
        given = {} if noise is None else {str(number): draw for number, draw in enumerate(noise)}
        draws = Noise.like(guess, seed, given)
        normal = self.sample(guess, inside, draws, steps=steps, sampler=sampler)
        return {"mel": self.scale.natural(normal.clamp(-1, 1))}

    def sample(self, guess: Tensor, inside: Tensor | None, noise: Noise, *, steps: int | None, sampler: Sampler) -> Tensor:
        """A normalised mel (batch, frames, n_mel) from the encoder's guess of it; see `infer`."""
        if sampler not in get_args(Sampler):
            raise ValueError(f"sampler: there is no {sampler!r}. Choices: {', '.join(get_args(Sampler))}.")
        if sampler == "auto":
            trained = self.student is not None and bool(self.distilled)
            sampler = "consistency" if trained else "euler"
        first = noise.normal(*guess.shape, name="0")
        start = self.karras.sigma_max * (first + guess)
        if sampler != "consistency":
            teacher = self.denoiser(self.teacher, guess, inside)
            return self.karras.sample(teacher, start, TEACHER_STEPS if steps is None else steps, sampler)
        if self.student is None:
            raise ValueError('sampler: "consistency" needs a student, and this model has none: choose "euler" or "heun".')
        student = self.denoiser(self.student, guess, inside)
        return self.karras.sample_consistently(student, start, 1 if steps is None else steps, noise, around=guess)

    @staticmethod
    def _noisy(clean: Tensor, guess: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        """The noise is around the guess, as the sampler begins there."""
        return clean + sigma[:, None, None] * (noise + guess)

    def denoiser(self, network: DilatedDenoiser, guess: Tensor, inside: Tensor | None) -> Denoiser:
        """A function of a noisy mel and its levels (batch,) to the clean one."""
        mask = self.masked(inside)
        shares = network.kept_conditions(guess)

        def denoise(noisy: Tensor, sigma: Tensor) -> Tensor:
            return self.karras.denoise(network, noisy, sigma, shares, mask)

        return denoise
