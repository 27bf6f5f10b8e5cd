from pipeline.documentation.licenses import license_of, table


def test_every_named_package_has_a_row(tmp_path):
    """In the order of their use, then by name, whatever stands behind the name."""
    project = tmp_path / "pyproject.toml"
    project.write_text(
        "[project]\ndependencies = ['tqdm>=4', 'numpy']\n"
        "[project.optional-dependencies]\nonnx = ['pandas[excel]>=3,<4']\n"
    )
    assert [row.split(" | ")[::2] for row in table(project).splitlines()[2:]] == [
        ["| `numpy`", "the pipeline |"],
        ["| `tqdm`", "the pipeline |"],
        ["| `pandas`", "extra `onnx` |"],
    ]


def test_a_license_is_told_by_expression_or_classifier_or_text():
    """As SPDX has it, where a package says it otherwise."""
    assert license_of("pandas") == "BSD-3-Clause"
    assert license_of("tensorflow") == "Apache-2.0"
    assert license_of("keras") == "Apache-2.0"
    assert license_of("tqdm") == "MPL-2.0 AND MIT"
