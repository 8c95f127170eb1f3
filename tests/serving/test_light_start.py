"""What a server loads before it is ready: each library costs every start seconds, and every worker memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from polymart.model.predictor import Predictor
from serving.encoding.packaged import encoder_folder, package_encoder

SPARED = {"transformers", "sklearn", "scipy", "sympy", "matplotlib", "mlflow", "evidently", "kfp", "peft", "optuna"}
START = """
import json, sys
from pathlib import Path
import serving.service
from serving.startup import load_scorer
load_scorer(Path(sys.argv[1]), sys.argv[2], 1)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_a_start_loads_no_library_that_serving_can_spare(
    checkpoint: Path, predictor: Predictor, feature_store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, copy)
    package_encoder(predictor, encoder_folder(copy))
    command = [sys.executable, "-W", "ignore", "-c", START, copy, feature_store]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"torch", "openvino", "feast", "bentoml"} <= loaded, "the start that a bento makes"
    assert not loaded & SPARED
