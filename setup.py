"""Editable install: `pip install -e ".[tts,eval]"`. Extras are named after what needs them."""

import re
from pathlib import Path

from setuptools import find_packages, setup

TOP = ["amphion", "bins", "evaluation", "models", "modules", "preprocessors", "processors", "utils", "visualization"]
VERSION = re.search(r'^__version__ = "(.+)"$', Path(__file__).with_name("amphion").joinpath("__init__.py").read_text(), re.M)[1]
EXTRAS = {
    "tts": ["phonemizer>=3.3", "espeakng-loader>=0.2.4", "num2words>=0.5.14", "unidecode>=1.3"],
    "chinese": ["pypinyin>=0.53", "cn2an>=0.5.22", "jieba>=0.42.1"],
    "crepe": ["torchcrepe>=0.0.24"],
    "onnx": ["onnx>=1.18", "onnxruntime>=1.22"],
    "eval": [
        "pesq>=0.0.4", "pystoi>=0.4.1", "jiwer>=4", "num2words>=0.5.14", "onnxruntime>=1.22", "openai-whisper>=20250625",
        "regex>=2024.11", "resemblyzer>=0.1.4", "torchcrepe>=0.0.24", "transformers>=5,<6",
    ],
    "svc": ["faiss-cpu>=1.9", "onnxruntime>=1.22", "openai-whisper>=20250625", "resemblyzer>=0.1.4", "transformers>=5,<6"],
    "serve": ["fastapi>=0.115", "uvicorn>=0.34"],
    "book": ["av>=14", "markdown-it-py>=3", "markitdown>=0.1"],
    "cluster": ["dask>=2025.1", "distributed>=2025.1"],
    "dev": [
        "encodec>=0.1.1", "httpx>=0.28", "hmmlearn>=0.3.3", "jiwer>=4", "openai>=2", "pocketsphinx>=5",
        "pytest>=8.3", "pytest-timeout>=2.3", "pytest-xdist>=3.6", "ruff>=0.9",
    ],
}

setup(
    name="amphion",
    version=VERSION,
    description="Audio, music and speech generation: models, recipes and fair comparisons",
    license="MIT",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=[name for top in TOP for name in (top, f"{top}.*")]),
    package_data={**{top: ["py.typed"] for top in TOP}, "visualization": ["py.typed", "page/*"], "processors.lexicon": ["*.json"]},
    entry_points={"console_scripts": ["amphion = bins.__main__:command"]},
    install_requires=[
        "torch==2.11.0",  # this pair imports together, to the last digit: torchaudio 2.11.1 does not load with it
        "torchaudio==2.11.0",
        "accelerate>=1.10,<2",
        "diffusers>=0.40,<1",
        "huggingface_hub>=0.30",
        "joblib>=1.4",
        "json5>=0.10",
        "librosa>=0.11,<0.12",
        "lmdb>=1.6",
        "matplotlib>=3.9",
        "numba>=0.60",
        "numpy>=2,<2.5",
        "praat-parselmouth>=0.4.6",
        "psutil>=5.9",
        "pyarrow>=20",
        "pydantic>=2.10,<3",
        "pyloudnorm>=0.1.1",
        "pyworld>=0.3.5",
        "pyyaml>=6",
        "safetensors>=0.5",
        "scipy>=1.13,<1.18",
        "setuptools<82",  # pyworld imports pkg_resources, which 82 removed
        "soundfile>=0.13",
        "soxr>=0.5",
        "tensorboard>=2.18",
        "threadpoolctl>=3.5",
        "tqdm>=4.66",
    ],
    extras_require={**EXTRAS, "all": sorted({p for name, ps in EXTRAS.items() if name not in ("dev", "crepe") for p in ps})},
)
