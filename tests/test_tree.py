"""Files below a folder: links followed, rings of links, hidden files."""

from utils.tree import composed, files_under


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def names(folder):
    return [path.relative_to(folder).as_posix() for path in files_under(folder)]


def test_links_to_folders_and_files_are_followed_under_their_own_names(tmp_path):
    touch(tmp_path / "store/deep/b.wav")
    touch(tmp_path / "corpus/own/a.wav")
    (tmp_path / "corpus/linked").symlink_to(tmp_path / "store")
    (tmp_path / "corpus/own/c.wav").symlink_to(tmp_path / "store/deep/b.wav")
    assert names(tmp_path / "corpus") == ["linked/deep/b.wav", "own/a.wav", "own/c.wav"]
    (tmp_path / "entry").symlink_to(tmp_path / "corpus")
    assert names(tmp_path / "entry") == ["linked/deep/b.wav", "own/a.wav", "own/c.wav"]


def test_a_ring_of_links_ends_and_no_file_comes_twice(tmp_path):
    for folder in "abcdefgh":
        touch(tmp_path / folder / "x.wav")
        for other in "abcdefgh":
            (tmp_path / folder / f"to-{other}").symlink_to(tmp_path / other)
        (tmp_path / folder / "up").symlink_to(tmp_path)
    assert names(tmp_path) == [f"{folder}/x.wav" for folder in "abcdefgh"]


def test_a_link_takes_nothing_from_the_folder_it_leads_to(tmp_path):
    touch(tmp_path / "z/x.wav")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    assert names(tmp_path) == ["z/x.wav"]


def test_hidden_files_and_folders_are_left_out_and_dangling_links_are_not(tmp_path):
    for name in ("._a.wav", ".git/a.wav", "a.wav"):
        touch(tmp_path / name)
    (tmp_path / "lost.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "nothing").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == ["a.wav", "lost.wav", "nothing"]


def test_names_of_both_forms_compare():
    assert composed("cafe\u0301") == composed("caf\u00e9")
