from gmt.report.training_curve import training_figure


def test_training_marks_the_best_step():
    lines = [{"step": s, "loss": 1.0, "valid_auc": auc} for s, auc in ((0, 0.5), (10, 0.8), (20, None))]
    texts = [text.get_text() for text in training_figure(lines).axes[1].texts]
    assert texts == [" best 0.800 at step 10 "]
