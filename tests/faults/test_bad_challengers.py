"""Bad challengers in front of the evaluate stage: none passes, and the gate or check that should refuses each of them.

Those that come later, in front of promotion, are in `test_forged_evidence.py`. Cases 38, 39, 46, 57 to 60 are here.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import challengers
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from challengers import crown, params_of, relabelled, resign, retrain, rewrite, sign
from support import TinyModel, write_tiny_model

from pipelines.config import settings as configuration
from pipelines.errors import DataError, EvergreenError, ExitCode, InputError, IntegrityError
from pipelines.stages import evaluate
from pipelines.storage import model_file
from pipelines.storage.files import read_json, write_json
from pipelines.storage.model_file import Signature

# Ibis 12 calls what DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
# What another gate of the tiny model says of three hundred rows shall not hide what is asked here.
ROOMY = {"champion": {"margin": 0.5}, "slices": {"min_rows": 60}}
ALONE = {"modes": {"serving": "off"}}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    home = tmp_path_factory.mktemp("tiny")
    home_of = {"EVERGREEN_HOME": f"{home}/home", "EVERGREEN_MODELS": f"{home}/models"}
    return write_tiny_model(configuration.load(home_of))


@pytest.fixture(scope="module")
def champion(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return challengers.workspace(tmp_path_factory.mktemp("runs") / "champion", tiny, tiny.day(30))


@pytest.fixture(scope="module")
def honest(tiny: TinyModel, champion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = challengers.workspace(tmp_path_factory.mktemp("runs") / "honest", tiny, tiny.day(38))
    crown(root, champion)
    return root


@pytest.fixture
def challenger(honest: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the honest challenger, to be spoilt."""
    root = tmp_path / "challenger"
    shutil.copytree(honest, root, symlinks=True)
    yield root
    shutil.rmtree(root)


def refused_by(root: Path, gates: dict[str, Any] | None = None, **parts: Any) -> set[str]:
    """The names of the gates that refuse it."""
    asked = ROOMY | ALONE | (gates or {})
    result = evaluate.main(challengers.context(root, asked, **parts))
    answers = read_json(root / "out/evaluate/gates.json")
    found = {gate["name"] for gate in answers["gates"] if gate["mode"] == "on" and not gate["passed"]}
    assert (result.exit_code is ExitCode.REFUSED) == bool(found) == (not answers["passed"])
    return found


def test_00_the_honest_one_passes_every_gate(challenger: Path) -> None:
    assert refused_by(challenger, {"modes": {}} | RISING) == set()
    asked = {gate["name"].partition(":")[0] for gate in read_json(challenger / "out/evaluate/gates.json")["gates"]}
    assert asked >= {"sanity", "floors", "champion", "agreement", "baseline", "slices", "overlap", "leakage"}
    assert asked >= {"calibration", "robustness", "serving", "poisoning"}


def leaking(root: Path) -> None:
    def label(table: Any) -> Any:
        return np.nan_to_num(table.column("label").to_numpy(zero_copy_only=False)).astype(np.float32)

    rewrite(root, challengers.with_column("rain", label))
    retrain(root)


def on_the_test_days(root: Path) -> None:
    span = params_of(root).span
    seen = {"train_end": str(span.test_end), "validation_start": str(span.test_end - timedelta(days=3))}
    retrain(root, span=seen)


def recorded_again(root: Path) -> None:
    """Orders of a training day are recorded once more on a test day, under their own keys and as new rows."""
    span, lake = params_of(root).span, root / "lake"
    source = lake.resolve()
    lake.unlink()
    shutil.copytree(source, lake)
    early, late = (lake / f"orders/{day}.parquet" for day in (span.train_start, span.test_start))
    table = pq.read_table(late)
    known = pq.read_table(early)["order_id"].slice(0, 7)
    ids = pa.chunked_array([*known.chunks, *table["order_id"].slice(7).chunks])
    pq.write_table(table.set_column(0, "order_id", ids), late)


def constant(root: Path) -> None:
    retrain(root, training={"rounds": 1, "booster": {"learning_rate": 1e-9}})


def twice_as_sure(root: Path) -> None:
    span = params_of(root).span
    worse = relabelled(lambda label, dice, _: np.where(dice < 0.8, 1.0, label), span.first, span.train_end)
    rewrite(root, worse)
    retrain(root)


def blind_in_one_shop(root: Path) -> None:
    """Better than a champion that learnt for two rounds, but for one shop, whose labels it learnt upside down."""
    span = params_of(root).span

    def upside_down(label: Any, _: Any, table: Any) -> Any:
        return np.where(np.array(table.column("shop").to_pylist()) == "south", 1 - label, label)

    weak = root.with_name("weak")
    shutil.copytree(root, weak, symlinks=True)
    retrain(weak, training={"rounds": 1, "booster": {"learning_rate": 0.01}})
    crown(root, weak)
    text = (root / "champion/params.yaml").read_text()
    early = text.replace(f"test_end: '{span.test_end}'", f"test_end: '{span.train_end}'")
    (root / "champion/params.yaml").write_text(early)
    training = (root / "champion/training.json").read_text()
    (root / "champion/training.json").write_text(training.replace(str(span.test_end), str(span.train_end)))
    rewrite(root, relabelled(upside_down, span.first, span.train_end))
    retrain(root)
    shutil.rmtree(weak)


def flipped_labels(root: Path) -> None:
    last = params_of(root).span.test_end
    flip = relabelled(lambda label, dice, _: np.where(dice < 0.4, 1 - label, label), last - timedelta(days=2), last)
    rewrite(root, flip)


def doubled_rows(root: Path) -> None:
    last = params_of(root).span.test_end
    rewrite(root, challengers.copied(last - timedelta(days=2), last))


def another_release(root: Path) -> None:
    """A release that was fitted on other labels than its trial."""
    other = root.with_name("other")
    shutil.copytree(root, other, symlinks=True)
    span = params_of(root).span
    rewrite(other, relabelled(lambda label, _, __: 1 - label, span.first, span.test_end))
    retrain(other)
    resign(root, "release", (other / "out/train/release.json").read_bytes())
    shutil.rmtree(other)


def lazy(root: Path) -> None:
    retrain(root, training={"rounds": 1, "booster": {"learning_rate": 0.01}})


def learnt_from_noise(root: Path) -> None:
    span = params_of(root).span
    noise = relabelled(lambda _, dice, __: (dice < 0.5).astype(float), span.first, span.train_end)
    rewrite(root, noise)
    retrain(root)


def breaks_on_the_unknown(root: Path) -> None:
    """Its trees give no number for a shop that nobody has seen, which no test row is from."""
    path = root / "out/train/trial.json"
    said = Signature.read(root / "out/train/signature.json")
    document = json.loads(path.read_bytes())
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    place = said.names.index("shop")
    trees[0] = _splits_off_the_unknown(trees[0], place)
    resign(root, "trial", json.dumps(document).encode())
    model_file.verify_and_load(path, Signature.read(root / "out/train/signature.json").trial_sha256)


def _splits_off_the_unknown(tree: dict[str, Any], place: int) -> dict[str, Any]:
    """A tree of one split: code 0 of the category at `place` goes to a leaf that is no number, all else to nothing."""
    far = 2**31 - 1
    return tree | {
        "base_weights": [0.0, 0.0, 0.0],
        "categories": [0],
        "categories_nodes": [0],
        "categories_segments": [0],
        "categories_sizes": [1],
        "default_left": [0, 0, 0],
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "loss_changes": [1.0, 0.0, 0.0],
        "parents": [far, 0, 0],
        "split_conditions": [0.0, 0.0, float("nan")],
        "split_indices": [place, 0, 0],
        "split_type": [1, 0, 0],
        "sum_hessian": [1.0, 1.0, 1.0],
        "tree_param": tree["tree_param"] | {"num_nodes": "3", "num_deleted": "0"},
    }


def nothing(_: Path) -> None:
    """Nothing is spoilt: what the model's author asks for is what it does not do."""


def seen_by_the_champion(root: Path) -> None:
    crown(root, root)


def a_champion_that_knows_the_answers(root: Path) -> None:
    """Its run's parameters say that it has not seen the test days; its train stage says that it was given them."""
    crown(root, root)
    span, path = params_of(root).span, root / "champion/params.yaml"
    path.write_text(path.read_text().replace(f"test_end: '{span.test_end}'", f"test_end: '{span.train_end}'"))


def forgetful(root: Path) -> None:
    """The scores in its signature are not its own."""
    path = root / "out/train/signature.json"
    said = read_json(path)
    said["example"]["scores"][0] += 0.25
    write_json(path, said)


INVARIANT = {"behaviour": {"invariance": [{"column": "distance"}]}}
RISING = {"behaviour": {"direction": [{"column": "distance", "by": 2.0, "score": "rise"}]}}
FAIR = {"fairness": {"attributes": ["product"], "min_rows": 30}}
SERVED = {"modes": {}}


@pytest.mark.parametrize(
    ("spoil", "gates", "refuses"),
    [
        (leaking, {}, "leakage:single_feature"),
        (on_the_test_days, {}, "overlap:days"),
        (recorded_again, {}, "overlap:keys"),
        (constant, {}, "sanity:trial"),
        (twice_as_sure, {}, "calibration:bias"),
        (blind_in_one_shop, {}, "slices:shop"),
        (breaks_on_the_unknown, {}, "robustness:unknown"),
        (flipped_labels, {}, "poisoning:labels"),
        (doubled_rows, {}, "poisoning:copies"),
        (another_release, {}, "agreement"),
        (lazy, {}, "baseline"),
        (learnt_from_noise, {"champion": {"margin": 0.02}}, "champion"),
        (learnt_from_noise, {"floors": {"auc": 0.75}}, "floors:auc"),
        (seen_by_the_champion, {}, "champion:unseen_rows"),
        (a_champion_that_knows_the_answers, {}, "overlap:champion"),
        (nothing, INVARIANT, "behaviour:distance"),
        (challengers.against_the_distance, RISING, "behaviour:distance:rise"),
        (challengers.unfair, FAIR, "fairness:product:selection"),
        (challengers.sure_of_a_gap, {}, "robustness:missing"),
        (forgetful, SERVED, "serving:parity"),
        (nothing, SERVED | {"serving": {"max_megabytes": 0.01}}, "serving:size"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value if isinstance(value, str) else "",
)
def test_a_gate_refuses(challenger: Path, spoil: Callable[[Path], None], gates: dict[str, Any], refuses: str) -> None:
    spoil(challenger)
    assert refuses in refused_by(challenger, gates)


@pytest.mark.parametrize(("mode", "said"), [("dry_run", "only 0 test rows after"), ("off", "was not asked")])
def test_where_the_champions_gate_refuses_nobody_the_report_says_why(challenger: Path, mode: str, said: str) -> None:
    seen_by_the_champion(challenger)
    assert refused_by(challenger, {"modes": {"champion": mode, "serving": "off"}}) == set()
    assert said in (challenger / "out/evaluate/report.html").read_text()


@pytest.mark.parametrize("flipped", [range(6), range(3, 6)], ids=["six days", "older days alone"])
def test_flips_of_many_days_or_of_older_ones_are_seen(challenger: Path, flipped: range) -> None:
    span = params_of(challenger).span
    start, last = span.test_end - timedelta(days=7), span.test_end
    days = {"test_start": start, "train_end": start - timedelta(days=1), "validation_start": start - timedelta(days=4)}
    longer = {name: str(day) for name, day in days.items()}
    retrain(challenger, span=longer)
    assert "poisoning:labels" not in refused_by(challenger, span=longer)
    first, last = last - timedelta(days=flipped[-1]), last - timedelta(days=flipped[0])
    rewrite(challenger, relabelled(lambda label, dice, _: np.where(dice < 0.35, 1 - label, label), first, last))
    assert "poisoning:labels" in refused_by(challenger, span=longer)


def test_the_one_that_is_blind_in_one_shop_is_better_over_all(challenger: Path) -> None:
    blind_in_one_shop(challenger)
    found = refused_by(challenger)
    assert "champion" not in found
    both = read_json(challenger / "out/evaluate/metrics.json")["compared"]
    assert both["challenger"]["log_loss"] < both["champion"]["log_loss"]


def permuted(root: Path) -> None:
    features = read_json(root / "out/train/signature.json")["features"]
    sign(root, features=[features[1], features[0], *features[2:]])


def halved(root: Path) -> None:
    raw = (root / "out/train/release.json").read_bytes()
    resign(root, "release", raw[: len(raw) // 2])


def pickled(root: Path) -> None:
    resign(root, "release", pickle.dumps({"learner": {}}))


def other_features(root: Path) -> None:
    path = root / "out/features/schema.json"
    write_json(path, read_json(path) | {"sha256": "0" * 64})


def one_class(root: Path) -> None:
    span = params_of(root).span
    rewrite(root, relabelled(lambda label, _, __: np.zeros_like(label), span.first, span.test_end))
    retrain(root)


def stale_reference(root: Path) -> None:
    named = read_json(root / "champion/champion.json")
    named["champion"]["model_sha256"] = "1" * 64
    write_json(root / "champion/champion.json", named)


@pytest.mark.parametrize(
    ("spoil", "kind", "why"),
    [
        (permuted, IntegrityError, "column 1 is"),
        (lambda root: sign(root, model_sha256="0" * 64), IntegrityError, "its sha256 is"),
        (halved, IntegrityError, "no XGBoost JSON"),
        (pickled, IntegrityError, "is a pickle, which is never loaded"),
        (other_features, IntegrityError, r"another features\.py"),
        (one_class, DataError, "there is nothing to learn"),
        (stale_reference, IntegrityError, "champion 1 of run one"),
    ],
    ids=["permuted columns", "wrong sha", "corrupt", "58 pickle", "other features", "one class", "stale champion"],
)
def test_a_check_refuses(challenger: Path, spoil: Callable[[Path], None], kind: type[EvergreenError], why: str) -> None:
    def judge() -> None:
        spoil(challenger)
        refused_by(challenger)

    with pytest.raises(kind, match=why) as caught:
        judge()
    assert isinstance(caught.value, InputError), "never retried"
    assert not (challenger / "out/evaluate/gates.json").exists()


def test_46_test_days_within_training_days_are_refused(challenger: Path) -> None:
    span = params_of(challenger).span
    with pytest.raises(InputError, match="strictly after the training days"):
        refused_by(challenger, span={"test_start": str(span.train_end)})
