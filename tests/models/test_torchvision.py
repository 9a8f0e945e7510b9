"""Weights of torchvision against two independent forward passes: one from the state dict alone, one by PyTorch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alfi.models import resnet, resnet18, torchvision_weights

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


def shapes(depth, width, classes=1000, colours=3):
    """Names and shapes of torchvision's state dicts, written out from its documentation of the architecture."""
    found = {"conv1.weight": (width, colours, 7, 7)}
    norms = {"bn1": width}
    channels = width
    for stage, count in enumerate(BLOCKS[depth], 1):
        inner = width * 2 ** (stage - 1)
        outer = inner * (4 if depth == 50 else 1)
        for block in range(count):
            at = f"layer{stage}.{block}"
            windows = (1, 3, 1) if depth == 50 else (3, 3)
            widths = (channels, *[inner] * (len(windows) - 1), outer)
            for j, size in enumerate(windows, 1):
                found[f"{at}.conv{j}.weight"] = (widths[j], widths[j - 1], size, size)
                norms[f"{at}.bn{j}"] = widths[j]
            if block == 0 and (stage > 1 or depth == 50):
                found[f"{at}.downsample.0.weight"] = (outer, channels, 1, 1)
                norms[f"{at}.downsample.1"] = outer
            channels = outer
    for name, size in norms.items():
        found |= {f"{name}.{leaf}": (size,) for leaf in ("weight", "bias", "running_mean", "running_var")}
        found[f"{name}.num_batches_tracked"] = ()
    return found | {"fc.weight": (classes, channels), "fc.bias": (classes,)}


def random_weights(depth, width, **sizes):
    rng = np.random.default_rng(depth)

    def draw(name, shape):
        if name.endswith("num_batches_tracked"):
            return np.asarray(7)
        if len(shape) > 1:
            return rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        if name.endswith(f"bn{3 if depth == 50 else 2}.weight"):  # the end of a block: else activations explode
            return rng.uniform(0.1, 0.3, shape)
        return rng.uniform(0.5, 1.5, shape) if name.endswith(("weight", "var")) else rng.normal(size=shape) * 0.2

    return {name: np.asarray(draw(name, shape), np.float32) for name, shape in shapes(depth, width, **sizes).items()}


def reference(weights, x, depth):
    """The forward pass from the state dict, in PyTorch's layout and by XLA's own convolution and pooling."""

    def conv(x, name, stride=1):
        kernel = weights[f"{name}.weight"]
        pad = kernel.shape[-1] // 2
        return jax.lax.conv_general_dilated(x, kernel, (stride, stride), [(pad, pad)] * 2)

    def norm(x, name):
        weight, bias, mean, var = (
            weights[f"{name}.{leaf}"][None, :, None, None] for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / jnp.sqrt(var + 1e-5) * weight + bias

    x = jnp.maximum(norm(conv(x, "conv1", 2), "bn1"), 0)
    borders = [(0, 0), (0, 0), (1, 1), (1, 1)]
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), borders)
    for stage, count in enumerate(BLOCKS[depth], 1):
        for block in range(count):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            last = 3 if depth == 50 else 2
            y = x
            for j in range(1, last + 1):
                y = norm(conv(y, f"{at}.conv{j}", stride if j == last - 1 else 1), f"{at}.bn{j}")
                y = jnp.maximum(y, 0) if j < last else y
            if f"{at}.downsample.0.weight" in weights:
                x = norm(conv(x, f"{at}.downsample.0", stride), f"{at}.downsample.1")
            x = jnp.maximum(x + y, 0)
    return x.mean(axis=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"][None]


def with_weights(depth, width, weights, x, **sizes):
    model = resnet(sizes.get("classes", 1000), depth=depth, width=width)
    abstract = jax.eval_shape(model.init, jax.random.key(0), x)
    return model, torchvision_weights(abstract, weights)


@pytest.mark.parametrize("depth", [18, pytest.param(50, marks=pytest.mark.slow)])
def test_outputs_are_those_of_the_state_dict(depth):
    weights = random_weights(depth, 4, classes=5)
    x = np.random.default_rng(0).normal(size=(2, 40, 50, 3)).astype(np.float32)
    model, variables = with_weights(depth, 4, weights, x, classes=5)
    got = jax.jit(model.apply)(variables, x)
    expected = jax.jit(functools.partial(reference, depth=depth))(weights, x.transpose(0, 3, 1, 2))
    assert jnp.abs(expected).max() > 0.5
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("depth", [18, 34, pytest.param(50, marks=pytest.mark.slow)])
def test_every_leaf_is_loaded_at_full_size(depth):
    """The names and shapes are torchvision's, so all numbers find their place; nothing is left abstract."""
    weights = random_weights(depth, 64) if depth == 18 else zeros(depth)
    _, variables = with_weights(depth, 64, weights, jnp.ones((1, 64, 64, 3), jnp.float32))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(variables))
    count = sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    assert count == {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}[depth]
    learnt = sum(
        array.size for name, array in weights.items() if not name.endswith(("mean", "var", "num_batches_tracked"))
    )
    assert count == learnt


def zeros(depth):
    return {name: np.zeros(shape, np.float32) for name, shape in shapes(depth, 64).items()}


def small(norm="batch", classes=3):
    model, x = resnet18(classes, width=2, norm=norm), jnp.ones((1, 32, 32, 3), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), x)


def test_the_head_may_stay():
    variables, weights = small(classes=3), random_weights(18, 2)
    head = {"kernel": jnp.full((16, 3), 7.0), "bias": jnp.full(3, 8.0)}
    variables = variables._replace(params={**variables.params, "head": head})
    loaded = torchvision_weights(variables, weights, head=False)
    assert loaded.params["head"] is not None
    jax.tree.map(np.testing.assert_array_equal, loaded.params["head"], head)
    kernel = loaded.params["encoder"]["stem"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel, weights["conv1.weight"].transpose(2, 3, 1, 0))
    with pytest.raises(ValueError, match="head=False"):
        torchvision_weights(variables, weights)


def test_all_that_does_not_fit_is_listed():
    weights = random_weights(18, 2, classes=3)
    for name in ("layer1.0.bn2.running_var", "conv1.weight"):
        del weights[name]
    weights |= {"layer3.0.conv1.weight": np.zeros((8, 4, 1, 1)), "layer5.0.conv1.weight": np.zeros(2)}
    with pytest.raises(ValueError, match="do not fit") as error:
        torchvision_weights(small(), weights)
    assert "Missing (2): conv1.weight, layer1.0.bn2.running_var." in str(error.value)
    assert "Unexpected (1): layer5.0.conv1.weight." in str(error.value)
    assert "shape (1): layer3.0.conv1.weight (8, 4, 1, 1) where (8, 4, 3, 3) was expected." in str(error.value)


@pytest.mark.parametrize("wrong", ["depth", "norm", "colours"])
def test_weights_of_another_architecture_are_refused(wrong):
    weights = random_weights(34 if wrong == "depth" else 18, 2, classes=3, colours=1 if wrong == "colours" else 3)
    said = {"depth": "layer1.2.conv1.weight", "norm": "bn1.running_mean", "colours": r"conv1.weight \(2, 1, 7, 7\)"}
    with pytest.raises(ValueError, match=said[wrong]):
        torchvision_weights(small("group" if wrong == "norm" else "batch"), weights)


@pytest.mark.parametrize(
    "depth", [18, pytest.param(34, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.slow)]
)
def test_outputs_are_those_of_pytorch(depth, tmp_path):
    """A network of torchvision's architecture, built here in PyTorch: full size, random numbers, saved and read."""
    torch = pytest.importorskip("torch")
    from safetensors.numpy import save_file

    from alfi.data import read_weights

    network = torch_resnet(torch, depth)
    weights = random_weights(depth, 64)
    missing = network.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
    assert not missing.missing_keys
    assert not missing.unexpected_keys
    x = np.random.default_rng(0).normal(size=(2, 96, 80, 3)).astype(np.float32)
    with torch.no_grad():
        expected = network.eval()(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    save_file(weights, tmp_path / "weights.safetensors")
    read = read_weights(tmp_path / "weights.pth")
    assert read.keys() == weights.keys()
    model, variables = with_weights(depth, 64, read, x)
    jax.tree.map(
        np.testing.assert_array_equal,
        variables,
        with_weights(depth, 64, read_weights(tmp_path / "weights.safetensors"), x)[1],
    )
    got = np.asarray(jax.jit(model.apply)(variables, x))
    difference, scale = np.abs(got - expected).max(), np.abs(expected).max()
    print(f"ResNet-{depth}: largest difference {difference:.2e} of outputs up to {scale:.2f}")
    assert scale > 0.5
    assert difference < 1e-4


def torch_resnet(torch, depth):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            outputs = width * (4 if depth == 50 else 1)
            windows = (1, 3, 1) if depth == 50 else (3, 3)
            widths = (inputs, *[width] * (len(windows) - 1), outputs)
            for j, size in enumerate(windows, 1):
                step = stride if size == 3 and j == len(windows) - 1 else 1
                conv = nn.Conv2d(widths[j - 1], widths[j], size, step, size // 2, bias=False)
                self.add_module(f"conv{j}", conv)
                self.add_module(f"bn{j}", nn.BatchNorm2d(widths[j]))
            self.count, self.downsample = len(windows), None
            if stride != 1 or inputs != outputs:
                point = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                self.downsample = nn.Sequential(point, nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = x
            for j in range(1, self.count + 1):
                y = getattr(self, f"bn{j}")(getattr(self, f"conv{j}")(y))
                y = y.relu() if j < self.count else y
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1, self.pool = nn.BatchNorm2d(64), nn.MaxPool2d(3, 2, 1)
            channels = 64
            for stage, count in enumerate(BLOCKS[depth], 1):
                blocks = []
                for b in range(count):
                    blocks.append(Block(channels, 32 * 2**stage, 2 if stage > 1 and b == 0 else 1))
                    channels = 32 * 2**stage * (4 if depth == 50 else 1)
                self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            self.fc = nn.Linear(channels, 1000)

        def forward(self, x):
            x = self.pool(self.bn1(self.conv1(x)).relu())
            for stage in range(1, 5):
                x = getattr(self, f"layer{stage}")(x)
            return self.fc(x.mean(dim=(2, 3)))

    return Net()
