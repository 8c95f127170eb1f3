"""LoRA, AdaLoRA and prefix tuning on a tiny encoder: what is trained, what is saved, what is merged."""

import copy
from functools import partial

import pytest
import torch
from fixtures.tiny_encoder import tiny_bert
from fixtures.tiny_suite import tiny_checkpoint, tiny_suite
from transformers import BertConfig, BertModel

from polymart.config import Adapter
from polymart.model.encoder import TextEncoder
from polymart.training.checkpoint import load_checkpoint, save_checkpoint

METHODS = ["none", "lora", "adalora", "prefix"]
STEPS = 20
TOKENS = torch.randint(4, 50, (5, 9), generator=torch.Generator().manual_seed(0))
MASK = (torch.arange(9) < torch.tensor([9, 4, 7, 9, 1]).unsqueeze(1)).long()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def encoder(method: str, layers: int = 2, **settings) -> TextEncoder:
    """An encoder whose adapter already changes its output."""
    found = TextEncoder(tiny_bert(50), layers, Adapter(method=method, rank=4, **settings), STEPS).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.requires_grad and method != "none":
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return found


def trainable(found: TextEncoder) -> dict[str, int]:
    return {name: p.numel() for name, p in found.named_parameters() if p.requires_grad}


def train(found: TextEncoder, steps: range, optimizer: torch.optim.Optimizer) -> None:
    """Steps that pull the vectors to a fixed target, as the training loop would take them."""
    target = torch.randn(5, 32, generator=torch.Generator().manual_seed(2))
    found.train()
    for step in steps:
        loss = ((found(TOKENS, MASK) - target) ** 2).mean()
        if (penalty := found.regulariser()) is not None:
            loss = loss + penalty
        loss.backward()
        optimizer.step()
        found.after_backward(step)
        optimizer.zero_grad(set_to_none=True)


def adam(found: TextEncoder) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in found.parameters() if p.requires_grad], lr=2e-2)


def ranks(found: TextEncoder) -> list[int]:
    return [int((p != 0).sum()) for name, p in found.named_parameters() if ".lora_E." in name]


@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("lora", 4 * (32 * 4 + 4 * 32)),  # A and B of query and value in two layers
        ("adalora", 4 * (32 * 6 + 6 + 6 * 32)),  # starts at half as much rank again
        ("prefix", 10 * 2 * 2 * 32),  # ten keys and values in two layers
    ],
)
def test_only_the_adapter_is_trained(method, count):
    found = encoder(method)
    assert sum(trainable(found).values()) == count
    assert all("lora_" in name or "prefix" in name for name in trainable(found))
    found(TOKENS, MASK).sum().backward()
    assert all((p.grad is not None) == p.requires_grad for p in found.parameters())


def test_a_frozen_encoder_trains_nothing():
    found = encoder("none", layers=0)
    assert trainable(found) == {}
    assert not found(TOKENS, MASK).requires_grad


@pytest.mark.parametrize(("method", "count"), [("lora", 73_728), ("prefix", 46_080)])
def test_counts_on_the_shape_of_minilm(method, count):
    shape = BertConfig(vocab_size=100, hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
    found = TextEncoder(BertModel(shape, add_pooling_layer=False), 6, Adapter(method=method))
    assert sum(trainable(found).values()) == count


@pytest.mark.parametrize("method", ["lora", "adalora"])
def test_low_rank_adapters_start_at_the_pretrained_encoder(method):
    fresh = TextEncoder(tiny_bert(50), 2, Adapter(method=method), STEPS).eval()
    assert torch.equal(fresh(TOKENS, MASK), encoder("none")(TOKENS, MASK))


@pytest.mark.parametrize("method", METHODS)
def test_padding_does_not_matter_and_the_adapter_does(method):
    found = encoder(method)
    with torch.no_grad():
        vectors = found(TOKENS, MASK)
        for i, row in enumerate(TOKENS):
            alone = row[: MASK[i].sum()].unsqueeze(0)
            torch.testing.assert_close(found(alone, torch.ones_like(alone))[0], vectors[i], rtol=1e-4, atol=1e-5)
        plain = encoder("none")(TOKENS, MASK)
    assert torch.allclose(vectors, plain, atol=1e-3) == (method == "none")


def test_the_prefix_is_that_of_peft():
    """peft's wrapper shifts the positions of the tokens, so both models get positions that all look alike."""
    from peft import PrefixTuningConfig, get_peft_model

    ours = encoder("prefix")
    with torch.no_grad():
        ours.transformer.embeddings.position_embeddings.weight.zero_()
    settings = PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=10)
    theirs = get_peft_model(copy.deepcopy(ours.transformer), settings).eval()
    theirs.prompt_encoder["default"].load_state_dict(ours.adapter.prefix.state_dict())
    with torch.no_grad():
        expected = theirs(input_ids=TOKENS, attention_mask=MASK).last_hidden_state
        found = ours.adapter.hidden(ours.transformer, TOKENS, MASK)
    torch.testing.assert_close(found[MASK.bool()], expected[MASK.bool()])


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_gives_the_same_vectors(tmp_path, method):
    plain = tiny_suite("mood", max_steps=STEPS)
    adapter = Adapter(method=method, rank=4)
    suite = plain.model_copy(update={"encoder": plain.encoder.model_copy(update={"adapter": adapter})})
    saved = tiny_checkpoint(suite)
    optimizer = adam(saved.model.encoder)
    train(saved.model.encoder, range(1, STEPS + 1), optimizer)
    saved.model.eval()
    save_checkpoint(saved, tmp_path / "checkpoint")
    loaded = load_checkpoint(tmp_path / "checkpoint").model
    assert list(loaded.state_dict()) == list(saved.model.state_dict())
    with torch.no_grad():
        assert torch.equal(loaded.encoder(TOKENS, MASK), saved.model.encoder(TOKENS, MASK))
    assert ranks(loaded.encoder) == ranks(saved.model.encoder)
    if method == "adalora":
        assert sum(ranks(loaded.encoder)) == 4 * 4


@pytest.mark.parametrize("method", METHODS)
def test_merging_keeps_the_vectors_and_leaves_a_plain_encoder(method):
    found = encoder(method)
    with torch.no_grad():
        before = found(TOKENS, MASK)
        found.merge_adapter()
        torch.testing.assert_close(found(TOKENS, MASK), before, rtol=1e-4, atol=1e-5)
    plain = list(encoder("none").state_dict())
    assert (list(found.state_dict()) == plain) == (method != "prefix")


def test_adalora_penalises_factors_that_are_not_orthogonal():
    found = encoder("adalora", orthogonality=0.25)
    factors = [p for name, p in found.named_parameters() if ".lora_A." in name or ".lora_B." in name]
    with torch.no_grad():
        for factor in factors:
            torch.nn.init.orthogonal_(factor)
        assert found.regulariser().item() == pytest.approx(0, abs=1e-5)
        factors[0].mul_(2.0)  # the Gram matrix is 4 I of rank 6
    penalty = found.regulariser()
    assert penalty.item() == pytest.approx(0.25 * (9 * 6) ** 0.5 / len(factors), rel=1e-4)
    penalty.backward()
    assert factors[0].grad.abs().max() > 0


@pytest.mark.parametrize("method", ["none", "lora", "prefix"])
def test_other_methods_have_no_penalty_and_no_state(method):
    found = encoder(method)
    assert found.regulariser() is None
    assert found.training_state() == {}


def test_adalora_makes_factors_orthogonal_and_moves_its_ranks():
    found = encoder("adalora")
    before = found.regulariser().item()
    assert ranks(found) == [6] * 4
    train(found, range(1, STEPS + 1), adam(found))
    assert found.regulariser().item() < 0.8 * before
    assert sum(ranks(found)) == 4 * 4
    assert ranks(found) != [4] * 4


@pytest.mark.parametrize("stop", [5, 17], ids=["while pruning", "while tuning the pruned"])
def test_adalora_resumes_exactly(stop):
    whole = encoder("adalora")
    optimizer = adam(whole)
    train(whole, range(1, stop + 1), optimizer)
    weights, moments, state = (
        copy.deepcopy(x) for x in (whole.state_dict(), optimizer.state_dict(), whole.training_state())
    )
    train(whole, range(stop + 1, STEPS + 1), optimizer)
    resumed = encoder("adalora")
    resumed.load_state_dict(weights)
    resumed.load_training_state(state)
    again = adam(resumed)
    again.load_state_dict(moments)
    train(resumed, range(stop + 1, STEPS + 1), again)
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_adalora_lives_through_a_step_without_texts_and_one_that_overflowed():
    found = encoder("adalora")
    found.after_backward(1)
    found(TOKENS, MASK).sum().backward()
    for parameter in found.parameters():
        if parameter.grad is not None:
            parameter.grad.fill_(torch.inf)
    found.after_backward(2)
    assert all(value.isfinite().all() for value in found.training_state().values())


@pytest.mark.parametrize("method", ["none", "lora", "adalora"])
def test_checkpointing_keeps_less_and_gives_the_same_gradients(method):
    def gradients(found: TextEncoder) -> tuple[int, dict[str, torch.Tensor]]:
        kept = 0

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = found.train()(TOKENS, MASK).square().sum()
        loss.backward()
        return kept, {name: p.grad for name, p in found.named_parameters() if p.grad is not None}

    much, expected = gradients(encoder(method))
    saver = encoder(method)
    saver.checkpoint_gradients()
    little, found = gradients(saver)
    assert little < much / 2
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("method", ["none", "lora"])
def test_autocast_stays_near_full_precision(method):
    found = encoder(method)
    with torch.no_grad():
        exact = found(TOKENS, MASK)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(found(TOKENS, MASK).float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("method", ["lora", "prefix"])
def test_the_compiled_transformer_answers_alike_under_the_same_names(monkeypatch, method):
    """dynamo traces it for real; its eager back end spares a minute of compiling C++."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    found = encoder(method)
    names, expected = list(found.state_dict()), found(TOKENS, MASK)
    found.compile_transformer()
    assert list(found.state_dict()) == names
    torch.testing.assert_close(found(TOKENS, MASK), expected)
    torch.testing.assert_close(found(TOKENS[:3], MASK[:3]), expected[:3])
