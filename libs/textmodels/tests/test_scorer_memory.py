import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_no_model_or_text_makes_the_extension_touch_foreign_memory():
    """Compiled with sanitizers, on random and broken models and texts; `make fuzz` does more."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/sanitize.py", "libs/textmodels", "--examples", "60"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "60 models and as many broken ones: nothing found" in done.stdout
