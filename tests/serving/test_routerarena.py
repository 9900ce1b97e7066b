"""Write RouterArena's files for a run."""

import json
from pathlib import Path

import pytest

from gmt.cli.main import main
from gmt.errors import DataError
from gmt.serving.pretrained import Router
from gmt.serving.routerarena import export_routerarena

ROWS = [{"global index": f"MMLU_{at}", "prompt_formatted": f"Question {at}?", "prompt": "raw"} for at in range(3)]


def test_predictions_are_what_the_run_picks_for_nobody(
    tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "router_data.json").write_text(json.dumps(ROWS))
    shaken = [{"global index": "MMLU_0", "prompt_formatted": "Qestion 0?"}]
    (tmp_path / "router_robustness.json").write_text(json.dumps(shaken))
    line = ["export", "routerarena", str(tmp_path), "--run", str(tiny_run), "--out", str(tmp_path / "predictions")]
    with pytest.raises(SystemExit, match="0"):
        main([*line, "--name", "mine"])
    said = capsys.readouterr()
    assert "mine-robustness.json" in said.out
    router = Router.from_pretrained(tiny_run)
    found = json.loads((tmp_path / "predictions" / "mine.json").read_text())
    assert [row["global index"] for row in found] == ["MMLU_0", "MMLU_1", "MMLU_2"]
    for row in found:
        assert row["prediction"] == router.rank(None, row["prompt"]).model
        assert row["prompt"].startswith("Question")
        assert [row[name] for name in ("generated_result", "cost", "accuracy")] == [None, None, None]
    (only,) = json.loads((tmp_path / "predictions" / "mine-robustness.json").read_text())
    assert (only["global index"], only["prompt"]) == ("MMLU_0", "Qestion 0?")


@pytest.mark.parametrize(
    ("content", "part", "message"),
    [
        (ROWS, "half", "the part is 'half'; expected one of full, sub_10"),
        ({}, "full", "is no list of objects"),
        ([], "full", "holds no prompt"),
        ([{"prompt": "x"}], "full", "entry 1 has no 'global index' or no prompt"),
        (ROWS, "sub_10", r"router_data_10.json does not exist"),
    ],
)
def test_what_is_no_data_set_of_routerarena_is_refused(
    tiny_run: Path, tmp_path: Path, content: object, part: str, message: str
) -> None:
    (tmp_path / "router_data.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        export_routerarena(Router.from_pretrained(tiny_run), tmp_path, tmp_path / "out", part=part)
    assert not (tmp_path / "out").exists()
