"""Tiny text encoders with random weights, saved as transformers does: folders that tests name as models."""

from __future__ import annotations

from pathlib import Path

import torch

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "rain", "on", "a", "roof", "dog", "barks", "twice"]
SIZES = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def save_tokenizer(folder: Path, *, longest: int = 12) -> None:
    """Words as tokens, between [CLS] and [SEP]."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]", model_max_length=longest
    )
    fast.save_pretrained(folder)


def save_encoder(folder: Path, kind: str, *, width: int = 8) -> Path:
    """A network of a kind, "bert", "t5" or "clap", and its tokenizer."""
    import transformers

    torch.manual_seed(0)
    if kind == "bert":
        config = transformers.BertConfig(vocab_size=len(WORDS), **{**SIZES, "hidden_size": width})
        network = transformers.BertModel(config)
    elif kind == "t5":
        config = transformers.T5Config(vocab_size=len(WORDS), d_model=width, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
        network = transformers.T5EncoderModel(config)
    else:
        config = transformers.ClapTextConfig(vocab_size=len(WORDS), projection_dim=width, pad_token_id=0, **SIZES)
        network = transformers.ClapTextModelWithProjection(config)
    network.save_pretrained(folder)
    save_tokenizer(folder)
    return folder
