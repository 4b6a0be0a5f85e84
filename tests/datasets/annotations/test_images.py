"""Which image file a name in an annotation file means."""

import pytest

from datasets.annotations.images import Images, plain_name

FILES = ["train/a.jpg", "val/a.jpg", "images/x/b.jpg", "images/y/b.jpg", "pictures/Straße.jpg"]


@pytest.mark.parametrize(
    ("name", "near", "file"),
    [
        ("train/a.jpg", "x.json", "train/a.jpg"),
        ("a.jpg", "train/x.json", "train/a.jpg"),
        ("a.jpg", "annotations/instances_val.json", "val/a.jpg"),
        ("x\\b.jpg", "x.json", "images/x/b.jpg"),
        ("./images/y/b.jpg", "x.json", "images/y/b.jpg"),
        ("elsewhere/Straße.jpg", "x.json", "pictures/Straße.jpg"),
        ("Strasse.jpg", "x.json", None),
    ],
)
def test_the_file_that_a_name_means(name: str, near: str, file: str | None) -> None:
    assert Images(FILES).match([name], near) == [[file] if file else []]


def test_a_name_of_several_images() -> None:
    """In two folders that are equally near."""
    assert Images(FILES).match(["a.jpg"], "annotations/x.json") == [["train/a.jpg", "val/a.jpg"]]
    assert Images(["images/0.jpg"]).match([""], "x.json") == [[]]


def test_a_file_is_not_taken_from_the_name_that_is_its_own() -> None:
    assert Images(["a/0.jpg"]).match(["b/0.jpg", "a/0.jpg"], "x.json") == [[], ["a/0.jpg"]]


def test_names_are_compared_in_composed_form() -> None:
    assert Images(["pictures/a\u0308.jpg"]).match(["\u00e4.jpg"], "x.json") == [["pictures/a\u0308.jpg"]]


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://host/a%20b/c.jpg?x=1", "a b/c.jpg"),
        ("gs://bucket/c.jpg", "c.jpg"),
        ("/data/local-files/?d=a%2Fc.jpg", "a/c.jpg"),
        ("a/c.jpg", "a/c.jpg"),
    ],
)
def test_addresses(address: str, name: str) -> None:
    assert plain_name(address) == name
