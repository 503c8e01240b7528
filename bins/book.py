"""An audio book: a text, Markdown or EPUB said by a voice, as one file with chapter marks. Stop it, give the command again, and it goes on.

    python -m bins.book --checkpoint pretrained/vits_kathleen --text-file book.epub --out book.m4b

What was said lies paragraph by paragraph in <out>.parts until you delete that folder: what was changed in the text is said anew, the
rest is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bins.cli import early, offer, parser, run


def main(argv: list[str] | None = None) -> int:
    arguments = parser(__doc__, config=False)
    arguments.add_argument("--checkpoint", required=True, help="the voice: a release, run, checkpoint, foreign folder or hub id")
    arguments.add_argument("--text-file", required=True, help="the book: .txt, .md or .epub")
    arguments.add_argument("--out", required=True, help="the file to write: .m4b, .m4a, .mka or .mp3")
    arguments.add_argument("--loudness", type=float, help="LUFS that each chapter is brought to by one gain, such as -18")
    arguments.add_argument("--paragraph_pause", type=float, default=0.6, help="seconds of silence behind a paragraph (default 0.6)")
    arguments.add_argument("--chapter_pause", type=float, default=2.0, help="seconds of silence behind a chapter (default 2)")
    arguments.add_argument("--chapters", action="store_true", help="only list the chapters, and what is in them")
    names = offer(arguments, _model_type(argv), without=("loudness", "paragraph_pause"))
    options = arguments.parse_args(argv)
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return _read_out(options, given)


def _model_type(argv: list[str] | None) -> str | None:
    options = early(argv, ("--checkpoint",))
    if not options.checkpoint:
        return None
    from models.base.loading import model_type_at

    return model_type_at(options.checkpoint)


def _read_out(options: Any, given: dict[str, Any]) -> int:
    from models.tts.book import check_out, write_book
    from processors.books import read_book
    from utils.log import log
    from utils.loudness import check_loudness
    from utils.progress import progress

    out = Path(options.out)
    check_out(out)
    book = read_book(options.text_file)
    log.info(f"{book.title}: {len(book.chapters)} chapters, {book.paragraphs} paragraphs.")
    if options.chapters:
        for chapter in book.chapters:
            print(f"{chapter.title or '(no title)'}: {len(chapter.paragraphs)} paragraphs")
        return 0
    check_loudness(options.loudness)
    reader = _reader(options, given, out)
    total = sum(len(reader.parts(chapter)) for chapter in book.chapters)
    said = [now for _, now in progress(reader.say(book), desc="say", total=total, unit="paragraph")]
    log.info(f"{sum(said)} paragraphs said now, {len(said) - sum(said)} were there or could not be said.")
    write_book(out, book, reader, options.loudness)
    log.info(f"{out}; its parts are in {reader.folder}, which you may delete.")
    return 0


def _reader(options: Any, given: dict[str, Any], out: Path) -> Any:
    """Who says it."""
    from models.base.task import load
    from models.tts.book import Pauses, Reader
    from models.tts.task import TTS

    pauses = Pauses(paragraph=options.paragraph_pause, chapter=options.chapter_pause)
    voice = load(options.checkpoint)
    if not isinstance(voice, TTS):
        raise ValueError(f"--checkpoint {options.checkpoint}: a voice is needed, and this is {voice}.")
    return Reader(voice, out.with_name(f"{out.name}.parts"), pauses, **given)


if __name__ == "__main__":
    run(main)
