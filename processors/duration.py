"""Frames per phone: from TextGrids where the corpus has them, else from the built-in aligner."""

from processors.textgrid import read_textgrid, write_srt, write_textgrid

__all__ = ["read_textgrid", "write_srt", "write_textgrid"]
