import json

from minicap.cli import main
from minicap.models.published import PRETRAINED


def test_every_network_has_a_line_with_what_is_known_of_it(capsys):
    assert main(["models"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert set(PRETRAINED) <= set(lines)
    assert lines["squeezenet1_1"].split() == [
        *("squeezenet1_1", "1.24", "M", "387.75", "M", "57.5", "here", "BSD-2-Clause")
    ]
    assert lines["efficientnet_lite0"].split() == [
        *("efficientnet_lite0", "4.65", "M", "385.19", "M", "75.1", "here", "Apache-2.0")
    ]
    assert lines["resnet18"].split()[-2:] == ["import", "BSD-3-Clause"]
    assert lines["vgg16_features"].split()[-2:] == ["get", "BSD-3-Clause"]


def test_the_numbers_come_as_json(capsys):
    assert main(["models", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["resnet50"] == {
        "name": "resnet50",
        "parameters": 25_557_032,
        "multiply_adds": 4_089_184_256,
        "top1": 76.1,
        "weights": "import",
        "licence": "BSD-3-Clause",
    }
