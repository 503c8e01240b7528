"""Networks that tell real sound from generated: each takes real and fake (batch, 1, samples)."""
