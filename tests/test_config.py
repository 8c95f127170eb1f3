import random
from pathlib import Path

import pytest
import yaml

from polymart.config import Suite, load_suite
from polymart.errors import SuiteError

TASK = {
    "name": "mood",
    "kind": "multiclass",
    "source": "reviews",
    "inputs": {"text": "text"},
    "metric": "accuracy",
    "floor": "majority",
    "cluster": "review_id",
}
SUITE = {"name": "tiny", "tasks": [TASK]}


def write(folder: Path, content: object) -> Path:
    path = folder / "suite.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def refusal(folder: Path, content: object) -> SuiteError:
    with pytest.raises(SuiteError) as caught:
        load_suite(write(folder, content))
    assert caught.value.remedy
    return caught.value


def with_task(**changes: object) -> dict:
    return {**SUITE, "tasks": [{**TASK, **changes}]}


@pytest.mark.parametrize(
    ("content", "place", "rule", "found"),
    [
        ({**SUITE, "sed": 3}, "sed", "not permitted", "found 3"),
        (with_task(lable="y"), "tasks.0.lable", "not permitted", "found 'y'"),
        (
            with_task(kind="clustering"),
            "tasks.0.kind",
            "'binary', 'multiclass', 'multilabel', 'tagging', 'count'",
            "'clustering'",
        ),
        ({**SUITE, "tasks": [TASK, TASK]}, "suite", "task names must be unique", "found twice: mood"),
        ({**SUITE, "tasks": []}, "tasks", "at least 1 item", "found []"),
        ({**SUITE, "seed": "17"}, "seed", "valid integer", "found '17'"),
        ({**SUITE, "training": {"max_steps": 2.5}}, "training.max_steps", "valid integer", "found 2.5"),
        (
            {**SUITE, "training": {"balancing": {"temperature": 0.5}}},
            "training.balancing.temperature",
            "greater than or equal to 1",
            "found 0.5",
        ),
        (with_task(name="Mood 1"), "tasks.0.name", "match pattern", "found 'Mood 1'"),
        (with_task(weight=0), "tasks.0.weight", "greater than 0", "found 0"),
        (with_task(margin=float("inf")), "tasks.0.margin", "finite number", "found inf"),
        (
            {**SUITE, "training": {"learning_rate": float("inf")}},
            "training.learning_rate",
            "finite number",
            "found inf",
        ),
        (with_task(inputs={}), "tasks.0.inputs", "at least one input", ""),
        (with_task(inputs={"numeric": ["age", "label"]}), "tasks.0", "cannot be an input of its own task", ""),
        (with_task(kind="count", consistency=1), "tasks.0", "multiclass, ranking and tagging tasks, not of count", ""),
        ({"name": "tiny"}, "tasks", "required", ""),
        (
            with_task(split={"val_from": "2017-03-01", "test_from": "2017-02-01"}),
            "tasks.0.split",
            "must lie before",
            "val_from (2017-03-01) must lie before test_from (2017-02-01)",
        ),
        (
            with_task(split={"val_from": "2017-03-01", "test_from": "2017-03-01"}),
            "tasks.0.split",
            "must lie before",
            "",
        ),
        (
            with_task(split={"val_from": "spring", "test_from": "2017-03-01"}),
            "tasks.0.split.val_from",
            "valid date",
            "found 'spring'",
        ),
        (
            {**SUITE, "encoder": {"adapter": {"method": "prefix"}}, "training": {"gradient_checkpointing": True}},
            "suite",
            "would drop the prefix",
            "",
        ),
        (
            {**SUITE, "training": {"precision": "float16", "distributed": {"strategy": "fsdp2"}}},
            "training",
            "float16 does not work with strategy fsdp2",
            "",
        ),
        (
            {**SUITE, "encoder": {"adapter": {"method": "lora"}}, "training": {"distributed": {"strategy": "fsdp2"}}},
            "suite",
            "fsdp2 has nothing to shard in encoder.adapter lora",
            "",
        ),
        (
            {**SUITE, "monitoring": {"bad_windows": 6, "of_windows": 5}},
            "monitoring",
            "must not exceed",
            "bad_windows (6) must not exceed of_windows (5)",
        ),
    ],
)
def test_a_refusal_names_the_place_the_rule_and_the_value(tmp_path, content, place, rule, found):
    error = refusal(tmp_path, content)
    assert str(tmp_path / "suite.yaml") in error.message
    line = next(line for line in error.message.splitlines() if line.startswith(f"  {place}: "))
    assert rule in line
    assert found in line


def test_every_fault_is_listed_at_once(tmp_path):
    error = refusal(tmp_path, {**with_task(kind="clustering", lable="y"), "seed": -1})
    assert [line.split(":")[0].strip() for line in error.message.splitlines()[1:]] == [
        "seed",
        "tasks.0.kind",
        "tasks.0.lable",
    ]


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(SuiteError, match=r"gone\.yaml does not exist"):
        load_suite(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not YAML"),
        ("- one\n- two\n", "must hold a mapping, found list"),
        ("", "found NoneType"),
        ("7", "found int"),
        ("name: !!python/object:os.system x\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, message):
    assert message in refusal(tmp_path, text).message


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_bytes(b"name: \xff\xfe\x00")
    with pytest.raises(SuiteError, match="is not YAML"):
        load_suite(path)


def test_sections_are_immutable():
    suite = Suite.model_validate(SUITE)
    with pytest.raises(ValueError, match="frozen"):
        suite.training.max_steps = 1


def shuffled(value, generator: random.Random):
    if isinstance(value, dict):
        items = [(key, shuffled(part, generator)) for key, part in value.items()]
        generator.shuffle(items)
        return dict(items)
    return [shuffled(part, generator) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", range(5))
def test_the_digest_ignores_the_order_of_keys_and_sees_every_value(tmp_path, seed):
    content = yaml.safe_load((Path(__file__).parents[1] / "suites" / "quick.yaml").read_text())
    suite = load_suite(write(tmp_path, content))
    mixed = write(tmp_path, yaml.safe_dump(shuffled(content, random.Random(seed)), sort_keys=False))
    assert load_suite(mixed).digest == suite.digest
    content["tasks"][0]["weight"] = 1.5
    assert load_suite(write(tmp_path, content)).digest != suite.digest


def test_the_order_of_tasks_counts():
    first, second = TASK, {**TASK, "name": "other"}
    suites = [Suite.model_validate({**SUITE, "tasks": tasks}) for tasks in ([first, second], [second, first])]
    assert suites[0].digest != suites[1].digest


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "suites").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_suite_survives_the_way_through_a_pipeline_parameter(path):
    suite = load_suite(path)
    assert Suite.from_json(suite.to_json()) == suite


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(SuiteError, match=r"(?s)'tiny' has no task 'gone'.*use one of: mood"):
        Suite.model_validate(SUITE).task("gone")


@pytest.mark.parametrize("key", ["1", "on", "2017-01-01", "null"])
def test_a_key_that_is_no_string_is_refused(tmp_path, key):
    refusal(tmp_path, yaml.safe_dump(SUITE) + f"{key}: x\n")
