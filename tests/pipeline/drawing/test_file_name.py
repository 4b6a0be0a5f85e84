"""File names made of ids of any length."""

import pytest

from pipeline.drawing import file_name
from pipeline.drawing.overlays import Choice


@pytest.mark.parametrize(("letter", "count"), [("a", 200), ("ä", 100), ("街", 66)])
def test_names_are_truncated_between_characters(letter, count):
    assert file_name.truncate(letter * 300) == letter * count
    assert file_name.truncate(letter * 9) == letter * 9


def test_pictures_of_long_ids_get_distinct_names(tmp_path):
    worst, second = (Choice("worst", rank, "frankfurt/" + "街" * 300, 0.1) for rank in (1, 2))
    assert worst.file != second.file
    for choice in (worst, second):
        (tmp_path / f"{choice.file.removesuffix('.png')}-prediction.png").touch()
    assert len(list(tmp_path.iterdir())) == 2
    assert file_name.sanitize("a class, of many words " * 20).startswith("a_class__of_many_words_a")
