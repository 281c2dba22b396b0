# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""transformers' own tests of every model, configuration, tokenizer and pipeline, run over the Elmo classes.

They are no part of the installed package. To run them (two minutes):

    git clone --depth 1 --branch v$(python -c "import transformers; print(transformers.__version__)") \
        https://github.com/huggingface/transformers /somewhere
    TRANSFORMERS_SOURCE=/somewhere pytest tests/modeling/test_transformers_common.py -m slow -n 0

The source archive from PyPI serves as well; it leaves the tests of the pipelines and of exporting out. Their tests need
`pip install parameterized`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import transformers
from support import ROOT

SOURCE = Path(os.environ.get("TRANSFORMERS_SOURCE", "/nowhere")).absolute()
CASES = Path(__file__).with_name("transformers_common_cases.py")

# Files that the common tests import and the archive on PyPI lacks, with what stands in for them.
STAND_INS = {
    "__init__.py": "",
    "generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    "utils/test_configuration_utils.py": "config_common_kwargs = {}\n",
    "fixtures/sample_text.txt": "A text of two sentences. It stands for a longer one.\n",
}

# Every skip has one of these reasons.
REASONS = {
    r"attentions|sdpa|SDPA|Flash Attention|grouped_mm": "the model has no attention",
    r"RoPE|position embeddings": "nor positions",
    r"sparse experts|router_logits": "nor experts",
    r"language modeling head|test_seq2seq": "nothing is generated",
    r"composite|subconfigs": "one configuration",
    r"TP plan|_keep_in_fp32_modules|No conversion found": "features the model does not use",
    r"test_resize_embeddings": "the alphabet is fixed; test_static_vectors.py has what a larger vocabulary changes",
    r"chat templates|No integration expected": "tokenizer features without use here, or with tests of our own",
    r"test requires|test is slow|is currently not implemented": "of hardware, libraries, or not written",
    r"is not in `self.pipeline_model_mapping`": "pipelines for which ELMo has no head",
    r"has no tests/pipelines": "the archive on PyPI",
    r"inputs_embeds are word vectors|shrinks vocab_size|for two axes; char_ids have three": "see the cases",
}


def version_of(source: Path) -> str | None:
    file = source / "src" / "transformers" / "__init__.py"
    found = re.search(r'^__version__ = "(.+)"', file.read_text(encoding="utf-8"), re.M) if file.exists() else None
    return found and found.group(1)


@pytest.mark.slow
@pytest.mark.skipif(
    version_of(SOURCE) != transformers.__version__,
    reason=f"TRANSFORMERS_SOURCE does not name the source of transformers {transformers.__version__}",
)
def test_elmo_passes_the_common_tests(tmp_path):
    tests = tmp_path / "tests"
    tests.mkdir()
    (tmp_path / "src").symlink_to(SOURCE / "src")
    for entry in (SOURCE / "tests").iterdir():
        (tests / entry.name).symlink_to(entry)
    for name, content in STAND_INS.items():
        if not (tests / name).exists():
            (tests / name).parent.mkdir(exist_ok=True)
            (tests / name).write_text(content)
    (tests / "test_elmo.py").symlink_to(CASES)
    reports = tmp_path / "tiny" / "reports"
    reports.mkdir(parents=True)
    (reports / "tiny_model_summary.json").write_text("{}")

    # A process of its own: their package is called tests, as our folder is.
    options = ["-c", os.devnull, "--rootdir", tmp_path, "--noconftest", "-p", "no:cacheprovider", "-W", "ignore"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "-q",
        "--junitxml",
        tmp_path / "out.xml",
        tests / "test_elmo.py",
    ]
    environment = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_TINY_MODEL_PATH": str(tmp_path / "tiny"),
        "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests" / "helpers"))),
    }
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]

    cases = list(ElementTree.parse(tmp_path / "out.xml").iter("testcase"))
    skips = {case.get("name"): skip.get("message", "") for case in cases for skip in case.iter("skipped")}
    unexplained = {name: why for name, why in skips.items() if not any(re.search(known, why) for known in REASONS)}
    assert not unexplained
    for passed in ("test_batching_equivalence", "test_determinism", "test_can_init_all_missing_weights", "test_call"):
        assert passed in {case.get("name") for case in cases} - set(skips)
    print(done.stdout.splitlines()[-1])
