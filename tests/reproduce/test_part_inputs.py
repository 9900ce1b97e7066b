"""Check how data are looked for, on disk and on the hub."""

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError

from gmt.reproduce.part_inputs import digest_inputs, missing_data
from gmt.reproduce.part_steps import Plan
from tests.reproduce.parts import STEPS, write_part

HUB = STEPS.replace("steps:", "needs: {hub: somebody/votes, get: Accept its terms.}\nsteps:")


class Gated(GatedRepoError):
    def __init__(self):
        Exception.__init__(self, "gated")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, None),
        (Gated(), "it is gated; accept its terms on the hub"),
        (ConnectionError("no"), "the hub does not answer: ConnectionError"),
        (type("ConnectError", (Exception,), {})("no"), "the hub does not answer: ConnectError"),
    ],
)
def test_the_hub_is_asked_whether_it_gives_a_dataset(error, said, tmp_path, monkeypatch):
    def auth_check(self, dataset, repo_type):
        assert (dataset, repo_type) == ("somebody/votes", "dataset")
        if error is not None:
            raise error

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub.HfApi, "auth_check", auth_check)
    part = write_part(tmp_path, "arena", HUB)
    found = missing_data(part, Plan(tmp_path))
    if said is None:
        assert found is None
    else:
        assert said in found and found.startswith("hub:somebody/votes") and found.endswith("Accept its terms.")
    # The map asks nobody, for it has to come at once.
    assert missing_data(part, Plan(tmp_path), ask_hub=False) is None


def test_nothing_is_asked_where_the_hub_is_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.HfApi, "auth_check", lambda *_, **__: pytest.fail("the hub was asked"))
    assert "HF_HUB_OFFLINE is set" in missing_data(write_part(tmp_path, "arena", HUB), Plan(tmp_path))


def test_a_digest_is_of_names_and_contents_of_folders_and_of_what_input_names(tmp_path):
    (tmp_path / "answers/deep").mkdir(parents=True)
    (tmp_path / "answers/deep/a.jsonl").write_text("a")
    text = STEPS.replace("steps:", "needs: {files: [answers/], input: A set}\nsteps:")
    part = write_part(tmp_path / "parts", "p", text)
    assert missing_data(part, Plan(tmp_path, data=tmp_path)) == "needs --input: A set."
    first = digest_inputs(part, Plan(tmp_path, data=tmp_path, input="hub:x"))
    assert missing_data(part, Plan(tmp_path, data=tmp_path, input="hub:x")) is None
    assert first != digest_inputs(part, Plan(tmp_path, data=tmp_path, input="hub:y"))
    (tmp_path / "answers/deep/a.jsonl").write_text("b")
    second = digest_inputs(part, Plan(tmp_path, data=tmp_path, input="hub:x"))
    (tmp_path / "answers/deep/a.jsonl").rename(tmp_path / "answers/deep/b.jsonl")
    third = digest_inputs(part, Plan(tmp_path, data=tmp_path, input="hub:x"))
    assert len({first, second, third}) == 3
    (tmp_path / "set.csv").write_text("1")
    named = [digest_inputs(part, Plan(tmp_path, data=tmp_path, input=str(tmp_path / "set.csv")))]
    (tmp_path / "set.csv").write_text("2")
    assert digest_inputs(part, Plan(tmp_path, data=tmp_path, input=str(tmp_path / "set.csv"))) not in named
