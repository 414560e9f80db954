"""What was built can be found by the flow tests."""

import os
import pathlib


def test_the_build_directory_is_configured():
    assert (pathlib.Path(os.environ["PROVBOX_BUILDDIR"]) / "config.status").is_file()
