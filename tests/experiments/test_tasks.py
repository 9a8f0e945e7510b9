"""Experiments on every kind of task: what is told from the labels, and whole tiny runs of each."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import alfi
from experiments import config as configs
from experiments import execution, run, store, tasks
from experiments.config import Config

TINY = ("--seeds", "2", "--rounds", "1", "--initial", "8", "--batch-size", "3", "--steps", "20", "--channels", "4", "8")
CONFIG = Config("name", "data", ("random",), (), 2, 3, 1, 1)


def dataset(x, y, classes=("a", "b")):
    n = len(x)
    split = np.where(np.arange(n) < n - 12, "train", "test")
    return alfi.Dataset(np.asarray(x, np.float32), y, np.arange(n).astype(str), None, split, classes)


def images():
    """Squares: how bright they are, where they are, whether bright."""
    rng = np.random.default_rng(0)
    masks = np.zeros((52, 8, 8), np.int32)
    for mask, (i, j) in zip(masks, rng.integers(0, 5, (52, 2)), strict=True):
        mask[i : i + 4, j : j + 4] = 1
    bright = rng.uniform(1, 3, 52).astype(np.float32)
    x = (masks * bright[:, None, None] + rng.normal(0, 0.3, masks.shape))[..., None]
    return x, {"regression": 100 + 50 * bright, "segmentation": masks, "classification": (bright > 2).astype(np.int32)}


def of_kind(kind):
    x, labels = images()
    return dataset(x, labels[kind])


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Run the command on data given here; its exit code and its records."""

    def call(data, strategies, *more):
        monkeypatch.setattr(alfi.data, "load", lambda name, **options: data)
        words = ["quickstart", "--data", "mine", *TINY, "--out", str(tmp_path), "--strategies", *strategies]
        code = run.main([*words, "--contrasts", *more])
        path = tmp_path / "quickstart-mine" / "rounds.jsonl"
        return code, [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return call


METRICS = {
    "classification": {"accuracy", "balanced_accuracy", "auroc", "nll"},
    "regression": {"rmse", "mae", "nll"},
    "segmentation": {"jaccard", "dice", "nll"},
}


def test_a_round_of_regression(monkeypatch):
    """Trained in its own units, measured in those of the labels: better than the mean of the test labels."""
    x = np.random.default_rng(2).normal(size=(52, 3))
    data = dataset(x, (1000 + 50 * x[:, 0]).astype(np.float32))
    monkeypatch.setattr(alfi.data, "load", lambda name, **options: data)
    monkeypatch.setattr(execution, "_diagnose", lambda *arguments: lambda fitted, pool: {})
    config = dataclasses.replace(CONFIG, initial=30, hidden=(16,), steps=200, learning_rate=1e-2)
    config, task = execution.load(config)
    programs = execution.compile_programs(config, task)
    for record in next(run.rounds(config, task, programs, "random", range(2), [], 0, {})):
        assert set(record["metrics"]) == METRICS["regression"]
        assert 0 < record["metrics"]["rmse"] < 0.5 * data.y[-12:].std()
        assert np.isnan(record["train_accuracy"])
        assert run.complaints([record]) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["regression", "segmentation"])
def test_a_whole_run(kind, command, tmp_path):
    data, strategies = of_kind(kind), ("random", "igs" if kind == "regression" else "margin")
    if kind == "regression":  # of tables: compiles fastest
        data = data._replace(x=data.x.reshape(len(data.x), -1))
    code, rows = command(data, strategies, "--hidden", "8")
    assert code == 0
    assert len(rows) == 2 * 2 * 2
    for row in rows:
        assert set(row["metrics"]) == METRICS[kind]
        assert np.isfinite([*row["metrics"].values(), *row["diagnostics"].values()]).all()
        assert "above_log_c" not in row["diagnostics"]
    folder = tmp_path / "quickstart-mine"
    config = json.loads((folder / "config.json").read_text())
    assert (config["metric"], config["model"]) == (("rmse", "mlp") if kind == "regression" else ("jaccard", "unet"))
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("regression", "badge", "no finite choice"),
        ("regression", "stratified_random", "needs classes"),
        ("segmentation", "igs", "is for regression"),
        ("segmentation", "batch_bald", "one label for each example"),
    ],
)
def test_a_strategy_for_another_task_is_refused(kind, name, why, command, capsys, tmp_path):
    code, rows = command(of_kind(kind), ("random", name))
    error = capsys.readouterr().err
    assert (code, rows, list(tmp_path.iterdir())) == (2, [], [])
    assert f"{name} cannot be asked for {kind}" in error
    assert why in error


@pytest.mark.parametrize(
    ("shape", "model"), [((8,), "mlp"), ((16, 2), "resnet1d"), ((8, 8, 1), "cnn"), ((2, 2, 2, 2), None)]
)
def test_the_network_is_that_for_the_inputs(shape, model):
    data = dataset(np.zeros((20, *shape)), np.arange(20) % 2)
    kind = tasks.kind_of(CONFIG, data)
    if model is None:
        with pytest.raises(ValueError, match="name one by --model"):
            tasks.settled(CONFIG, kind, data)
    else:
        assert tasks.settled(CONFIG, kind, data).model == model


@pytest.mark.parametrize(
    ("model", "backend", "asked", "mode"),
    [
        ("mlp", "cpu", "auto", "vmap"),
        ("cnn", "cpu", "auto", "loop"),
        ("cnn", "cpu", "vmap", "vmap"),
        ("cnn", "gpu", "auto", "vmap"),
    ],
)
def test_how_seeds_run_goes_by_device_and_network(model, backend, asked, mode, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    config, data = dataclasses.replace(CONFIG, model=model, mode=asked), of_kind("classification")
    settled = tasks.settled(config, tasks.kind_of(config, data), data)
    assert (settled.mode, configs.width(settled)) == (mode, 2 if mode == "vmap" else 1)


@pytest.mark.parametrize("kind", METRICS)
def test_the_task_is_told_from_the_labels(kind):
    data = of_kind(kind)
    told = tasks.kind_of(CONFIG, data)
    assert told.name == kind
    settled = tasks.settled(CONFIG, told, data)
    assert settled.metric == next(iter(told.measures))
    with pytest.raises(ValueError, match="unknown metric 'f2'"):
        tasks.settled(dataclasses.replace(CONFIG, metric="f2"), told, data)


def test_labels_of_no_task_are_refused():
    with pytest.raises(ValueError, match="neither classes"):
        tasks.kind_of(CONFIG, dataset(np.zeros((20, 8)), np.zeros((20, 5), int)))


def test_real_metrics_are_in_the_units_of_the_labels():
    rng = np.random.default_rng(1)
    outputs, y = jnp.asarray(rng.normal(size=(30, 1))), jnp.asarray(rng.normal(7, 3, 30))
    kind = tasks.kind_of(dataclasses.replace(CONFIG, noise=0.5), of_kind("regression"))
    found = tasks.measure(kind, outputs, y, tasks.Units(jnp.array([6.0]), jnp.array([4.0])))
    errors = np.asarray(outputs[:, 0] * 4 + 6 - y)
    np.testing.assert_allclose(found["rmse"], np.sqrt(np.mean(errors**2)))
    np.testing.assert_allclose(found["mae"], np.mean(abs(errors)))
    np.testing.assert_allclose(found["nll"], -stats.norm(0, 0.5 * 4).logpdf(errors).mean())


def test_units_are_of_each_seed_s_own_initial_labels():
    """Every other label is poisoned: what is learnt is the same."""
    y, initial = np.arange(20.0), np.array([[0, 2, 4], [5, 10, 15]])
    kind = tasks.kind_of(CONFIG, of_kind("regression"))
    units = tasks.units_of(kind, y, initial)
    np.testing.assert_allclose(units.location[:, 0], [2, 10])
    np.testing.assert_allclose(units.scale[:, 0], [np.std([0, 2, 4]), np.std([5, 10, 15])])
    poisoned = np.where(np.isin(np.arange(20), initial), y, np.nan)
    assert np.isfinite(jax.tree.leaves(tasks.units_of(kind, poisoned, initial))).all()
    pool = tasks.in_units(alfi.pool(jnp.zeros((20, 1)), y), jax.tree.map(lambda leaf: leaf[1], units))
    np.testing.assert_allclose(pool.y[jnp.array([5, 10, 15])].std(), 1)
    assert (tasks.units_of(kind, np.ones(20), initial).scale == 1).all()


def test_initial_sets_of_real_labels_may_be_of_one_value(monkeypatch):
    data = of_kind("regression")._replace(y=np.ones(52, np.float32))
    monkeypatch.setattr(alfi.data, "load", lambda name, **options: data)
    config = dataclasses.replace(CONFIG, channels=(4,))
    assert execution.load(config)[1].units.scale.shape == (2, 1)
    with pytest.raises(ValueError, match="needs classes"):
        execution.load(dataclasses.replace(config, initial_set="stratified"))


def test_options_reach_the_data_the_model_and_the_strategy(monkeypatch):
    asked = {}
    data = of_kind("classification")

    def load(name, **options):
        asked.update(options)
        return data

    monkeypatch.setattr(alfi.data, "load", load)
    options = ("data.records=(1,2)", "data.task=corner", "model.dropout=.2", "core_set.layer=block_1")
    config = dataclasses.replace(CONFIG, options=options, model="cnn", strategies=("core_set",), initial=8)
    configs.validate(config)
    config, task = execution.load(config)
    assert asked == {"records": (1, 2), "task": "corner"}
    model = execution._model(config, task.kind)
    assert model.stochastic is not None
    with pytest.raises(ValueError, match="Did you mean 'dropout'"):
        execution._model(dataclasses.replace(config, options=("model.dropuot=.2",)), task.kind)
    bad = dataclasses.replace(config, options=("core_set.layr=3",))
    with pytest.raises(ValueError, match="unknown option of core_set 'layr'"):
        execution._strategy(bad, "core_set", model, task.kind.likelihood)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"options": ("norm=group",)}, "OF.NAME=VALUE"),
        ({"options": ("badge.x=1",)}, "unknown owner of an option 'badge'"),
        ({"model": "cn"}, "Did you mean 'cnn'"),
        ({"strategies": ("random", "learning_loss")}, "--predictor"),
        ({"strategies": ("random", "deep_ensemble")}, "unknown strategy"),
        ({"noise": 0.0}, "noise must be positive"),
    ],
)
def test_bad_options_are_told_before_anything_is_read(changes, why):
    with pytest.raises(ValueError, match=why):
        configs.validate(dataclasses.replace(CONFIG, **changes))


@pytest.mark.slow
def test_with_a_predictor_all_strategies_train_alike(command):
    code, rows = command(
        of_kind("classification"), ("random", "learning_loss", "confident_coreset"), "--predictor", "--rounds", "1"
    )
    assert code == 0
    first = [row for row in rows if row["round"] == 0 and row["seed"] == 0]
    assert len({row["metrics"]["nll"] for row in first}) == 1
    assert len({tuple(row["picked"]) for row in first}) > 1


def test_a_network_may_compute_in_short_numbers():
    kind = tasks.kind_of(CONFIG, of_kind("classification"))
    config, x = dataclasses.replace(CONFIG, model="linear"), jnp.asarray(of_kind("classification").x)
    long, short = (execution._model(dataclasses.replace(config, precision=p), kind) for p in ("float32", "bfloat16"))
    variables = long.init(jax.random.key(0), x)
    difference = long.apply(variables, x) - short.apply(variables, x)
    assert 0 < float(jnp.abs(difference).max()) < 0.1


def test_predicted_losses_are_the_uncertainty_of_confident_coreset(monkeypatch):
    seen = {}

    def spy(model, likelihood, *, uncertainty=None):
        seen["uncertainty"] = uncertainty

    monkeypatch.setattr(alfi.strategies, "confident_coreset", spy)
    kind = tasks.kind_of(CONFIG, of_kind("classification"))
    for predictor in (False, True):
        config = dataclasses.replace(CONFIG, model="cnn", predictor=predictor, channels=(4,))
        execution._strategy(config, "confident_coreset", execution._model(config, kind), kind.likelihood)
        assert (seen["uncertainty"] is not None) == predictor


def test_a_folder_older_than_an_option_goes_on(tmp_path):
    config = dataclasses.replace(CONFIG, out=str(tmp_path), model="cnn", metric="accuracy")
    folder, _ = store.open_run(config, "command")
    content = json.loads((folder / "config.json").read_text())
    for name in ("options", "predictor", "noise", "effective_sites"):
        del content[name]
    (folder / "config.json").write_text(json.dumps(content))
    assert store.open_run(config, "command")[1] == []
    with pytest.raises(ValueError, match="predictor: False there, True now"):
        store.open_run(dataclasses.replace(config, predictor=True), "command")


@pytest.mark.parametrize(
    ("data", "name"),
    [("digits", "quickstart"), ("tfds:mnist", "quickstart-tfds-mnist"), ("mine/heart.npz", "quickstart-heart")],
)
def test_the_folder_of_results_is_named_by_the_data(data, name):
    config = configs.default("quickstart", data)
    assert (config.name, config.data) == (name, data)
    configs.validate(config)


@pytest.mark.parametrize("data", ["mitbih", "cdmam", "breast_cancer", "digits_long_tailed", "ham10000"])
def test_the_quickstart_is_valid_for_every_kind_of_data(data):
    configs.validate(configs.default("quickstart", data))
