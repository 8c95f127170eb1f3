"""The image tower: published weights, what is trained, what stays frozen."""

import os
import pickle

import numpy as np
import pytest
import torch
from fixtures.image_backbone import write_backbone
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import nn

from polymart.config import Settings
from polymart.data.archives import locate
from polymart.errors import ArchiveError, CheckpointError
from polymart.model.efficientnet import NUM_BLOCKS, EfficientNetLite0
from polymart.model.image import WEIGHTS, ImageTower

PALACE, DAISY = 698, 985
"""Classes of ImageNet."""


def _pictures(count=2, size=32):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone"))


def test_pictures_become_vectors_of_the_wanted_width(folder):
    tower = ImageTower.from_pretrained(folder, 24).eval()
    for size in (32, 33, 64):  # odd sides are padded as the published network pads them
        vectors = tower(_pictures(size=size))
        assert vectors.shape == (2, 24)
        assert vectors.isfinite().all()


def test_the_weights_arrive_and_a_picture_stands_for_itself(folder):
    published = torch.load(folder / WEIGHTS, weights_only=True)
    tower = ImageTower.from_pretrained(folder, 24).eval()
    for loaded, value in zip(tower.backbone.state_dict().values(), published.values(), strict=False):
        assert torch.equal(loaded, value)
    pictures = _pictures()
    torch.testing.assert_close(tower(pictures)[1:], tower(pictures[1:]), rtol=1e-4, atol=1e-5)


def test_statistics_stay_those_of_imagenet_while_training(folder):
    tower = ImageTower.from_pretrained(folder, 24).train()
    before = {name: value.clone() for name, value in tower.named_buffers()}
    tower(_pictures()).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in tower.named_buffers())


@pytest.mark.parametrize("trainable", [0, 3, NUM_BLOCKS])
def test_only_the_top_blocks_learn_and_no_depthwise_filter_does(folder, trainable):
    tower = ImageTower.from_pretrained(folder, 24, trainable).train()
    tower(_pictures()).square().sum().backward()
    learning = {name for name, parameter in tower.named_parameters() if parameter.grad is not None}
    blocks = {int(name.split(".")[2]) for name in learning if name.startswith("backbone.blocks.")}
    assert blocks == set(range(NUM_BLOCKS - trainable, NUM_BLOCKS))
    assert {"project.weight", "backbone.top.conv.weight"} <= learning
    assert not any(name.startswith("backbone.stem") for name in learning)
    depthwise = {
        f"{name}.weight"
        for name, module in tower.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups > 1
    }
    assert len(depthwise) == NUM_BLOCKS
    assert not depthwise & learning


class _Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_weights_that_run_code_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(pickle.dumps(_Evil()))
    with pytest.raises(CheckpointError, match="weights of EfficientNet-Lite0"):
        ImageTower.from_pretrained(tmp_path, 24)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_absent_or_torn_weights_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match="polymart data fetch efficientnet_lite0"):
        ImageTower.from_pretrained(tmp_path, 24)


@pytest.mark.parametrize("weights", [{"stem": torch.zeros(3)}, [torch.zeros(3)], {"a": 1}])
def test_weights_of_another_network_are_refused(tmp_path, weights):
    torch.save(weights, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match="weights of EfficientNet-Lite0"):
        ImageTower.from_pretrained(tmp_path, 24)


def test_the_published_network_knows_a_palace_and_a_flower():
    try:
        file = locate("efficientnet_lite0", Settings()) / WEIGHTS
    except ArchiveError as error:
        pytest.skip(str(error))
    backbone = EfficientNetLite0().eval()
    backbone.load_published(file)
    published = torch.load(file, weights_only=True)
    for photo, expected in zip(load_sample_images().images, (PALACE, DAISY), strict=True):
        top, left = ((side - 427) // 2 for side in photo.shape[:2])
        square = Image.fromarray(photo[top : top + 427, left : left + 427]).resize((224, 224), Image.Resampling.BICUBIC)
        image_BCHW = torch.from_numpy(np.asarray(square, np.float32) / 255).permute(2, 0, 1)[None]
        logits = backbone(image_BCHW) @ published["_fc.weight"].T + published["_fc.bias"]
        assert int(logits.argmax()) == expected
