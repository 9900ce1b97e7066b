from gmt.report.look import NARROW
from gmt.report.training_curve import draw_training

LINES = [{"step": s, "loss": 1.0, "valid_auc": auc} for s, auc in ((0, 0.5), (10, 0.8), (20, None))]


def test_training_marks_the_step_that_is_kept():
    texts = [text.get_text() for text in draw_training(LINES).axes[1].texts]
    assert texts == [" kept: step 10, AUC 0.800 "]


def test_a_curve_that_no_score_depends_on_says_so_in_the_figure():
    for width in (6.9, NARROW):
        figure = draw_training(LINES, became="The network is switched off: it saves 0.1 ± 0.2.", width=width)
        said = figure._supxlabel.get_text().replace("\n", " ")
        assert said == "The network is switched off: it saves 0.1\u00a0±\u00a00.2."


def test_without_a_pair_to_validate_on_no_step_is_marked():
    lines = [{"step": 0, "loss": 1.0, "valid_auc": None}]
    assert not draw_training(lines).axes[1].texts
