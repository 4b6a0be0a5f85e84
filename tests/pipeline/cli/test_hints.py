"""What users of other tools type is answered with what to type here."""

import pytest

from pipeline.__main__ import main
from pipeline.workspace.run_folder import segline_version


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("train data=coco.yaml epochs=3", "there is no command 'train'. `segline run RECIPE` trains"),
        ("val", "`segline run RECIPE --until evaluate` measures"),
        ("resume", "The same `segline run RECIPE` resumes"),
        ("export", "--set export.formats=[onnx]"),
        ("models", "Networks: ddrnet, deeplabv3plus, fast"),
        ("run demo --epochs 3", "Write: segline run demo --set train.epochs=3"),
        ("run demo --epochs=3 --until train", "Write: segline run demo --set train.epochs=3 --until train"),
        ("run epochs=3 demo", "Write: segline run --set train.epochs=3 demo"),
        ("run demo --set train.seed=1 lr=1", "run demo --set train.seed=1 --set train.learning_rate=1"),
        ("sweep demo --batch-size 4 --grid train.seed=1,2", "demo --set train.batch_size=4 --grid train.seed=1,2"),
        (
            "check demo --imgsz 64",
            "imgsz is a setting of the recipe, input.size. Write: segline check demo --set 'input.size=[64,64]'",
        ),
        ("run demo --amp", "segline run has no --amp. --set train.precision=auto"),
        ("run demo --resume", "segline run has no --resume. The same `segline run RECIPE` resumes"),
        ("run demo --gpus 0,1", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_habits_of_other_tools(line: str, answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    assert answer in capsys.readouterr().err


@pytest.mark.parametrize("line", ["run demo --nonsense 3", "run demo 3", "recipes --epochs 3"])
def test_what_no_tool_knows_is_left_to_argparse(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_version_names_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith(f"segline {segline_version()} (")
