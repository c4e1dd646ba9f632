"""The commands as a person runs them: what goes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

import elman
from elman.cli import main
from tests.cli.commands import run
from tests.cli.tables import rows_of

QUICK = ["--hidden-size", "8", "--embedding-size", "6", "--max-epochs", "2", "--members", "1"]


@pytest.fixture(scope="module")
def model_file(fitted, tmp_path_factory):
    import dataclasses

    about = {"columns": {"input": "name", "target": "origin"}, "source": "people.csv"}
    model = dataclasses.replace(fitted.model_, training=fitted.model_.training | about)
    path = tmp_path_factory.mktemp("model") / "people.safetensors"
    model.save(path)
    return path


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for command in ("train", "evaluate", "predict", "info", "verify", "export", "demo", "doctor"):
        assert f"  {command} " in out


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "predict", "info", "verify", "export", "demo", "doctor"]
)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "--json" in capsys.readouterr().out


def test_every_setting_is_an_option_with_its_sentence(capsys):
    from elman.models.settings import Settings
    from elman.settings import settings_of

    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for item in settings_of(Settings):
        assert "--" + item.name.replace("_", "-") in shown
        assert item.metadata["sentence"].split(";")[0] in shown, item.name
    assert len(settings_of(Settings)) >= 25


def test_train_evaluate_predict_info(csv_file, elman_command, tmp_path):
    done = elman_command("train", "people.csv", "--target", "origin", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "people.csv: 240 rows, name -> origin, 3 classes" in done.stderr
    assert "epoch 2/2" in done.stderr
    for words in (
        "accuracy",
        "macro-F1",
        "majority class",
        "n-gram logistic regression",
        "best that the data",
    ):
        assert words in done.stdout
    for name in ("people.safetensors", "people-confusion.png", "people-learning.png"):
        assert (tmp_path / name).stat().st_size > 0
    assert not (tmp_path / "people.safetensors.checkpoint").exists()

    done = elman_command("evaluate", "people.safetensors", "people.csv", "--train", "people.csv", "--json")
    found = json.loads(done.stdout)
    assert (found["v"], found["ok"], found["split"]["leaked"]) == (1, True, 240)
    assert found["baselines"].keys() == {"majority class", "n-gram logistic regression"}

    done = elman_command("predict", "people.safetensors", "people.csv", "--proba")
    answers = rows_of(done.stdout)
    rows = rows_of(csv_file.read_text(encoding="utf-8"))
    assert [row["name"] for row in answers] == [row["name"] for row in rows]
    assert all(abs(sum(float(row[f"p_{k}"]) for k in ("en", "it", "pl")) - 1) < 1e-4 for row in answers)

    done = elman_command("info", "people.safetensors")
    assert "input name, target origin" in done.stdout
    assert done.stderr == ""


def test_train_json_is_what_the_contract_says(csv_file, elman_command):
    done = elman_command("train", "people.csv", "--target", "origin", "--json", *QUICK)
    found = json.loads(done.stdout)
    keys = {"accuracy", "macro_f1", "macro_recall", "log_loss", "calibration_error"}
    assert found["scores"].keys() == keys | {"ceiling"}
    assert found["baselines"]["majority class"].keys() == keys
    assert found["split"].keys() == {"train", "validation", "test", "leaked"}
    assert found["split"]["leaked"] == 0
    assert found["split"]["train"] + found["split"]["validation"] + found["split"]["test"] == 240
    assert found["model"] == "people.safetensors"
    assert len(found["pictures"]) == 2
    assert found["per_class"]["pl"].keys() == {"precision", "recall", "f1", "support"}


def test_seeds_give_mean_and_deviation(csv_file, elman_command):
    done = elman_command(
        "train", "people.csv", "--target", "origin", "--seeds", "2", "--no-baselines", *QUICK
    )
    assert done.returncode == 0, done.stderr
    assert "2 seeds, mean ± standard deviation" in done.stdout


def test_a_folder_of_text_files(rows, elman_command, tmp_path):
    folder = tmp_path / "names"
    folder.mkdir()
    for label in set(rows[1]):
        texts = [text for text, own in zip(*rows, strict=True) if own == label]
        (folder / f"{label}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    done = elman_command("train", "names", *QUICK, "--no-baselines")
    assert done.returncode == 0, done.stderr
    assert "text -> label" in done.stderr


def test_predict_reads_stdin_and_texts(model_file, elman_command):
    done = elman_command("predict", str(model_file), "-", stdin="Rossini\nKowalski\n")
    assert done.stdout.splitlines()[0] == "name,prediction"
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == ["Rossini", "Kowalski"]
    done = elman_command("predict", str(model_file), "--text", "Rossini", "--json")
    assert json.loads(done.stdout)["name"] == "Rossini"


def test_predict_tells_unknown_symbols_on_stderr(model_file, elman_command):
    done = elman_command("predict", str(model_file), "--text", "ЖЖ")
    assert "2 symbols were never seen in training: 'Ж' (2)" in done.stderr


def test_predict_writes_a_file_whole(model_file, csv_file, elman_command, tmp_path):
    done = elman_command("predict", str(model_file), "people.csv", "-o", "answers.csv")
    assert done.stdout == ""
    assert len((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()) == 241
    again = elman_command("predict", str(model_file), "people.csv", "-o", "answers.csv")
    assert again.returncode == 2
    assert "error[E115]" in again.stderr


def test_unseen_labels_at_evaluation_are_counted(model_file, elman_command, tmp_path):
    (tmp_path / "new.csv").write_text("name,origin\nRossini,it\nÅberg,se\nKowalski,pl\n", encoding="utf-8")
    done = elman_command("evaluate", str(model_file), "new.csv")
    assert done.returncode == 0
    assert "1 row has a label never seen in training (counted as misses): 'se' (1)" in done.stdout
    assert "'Å' (1)" in done.stdout


@pytest.mark.parametrize("command", [["predict", "--text", "Rossini"], ["info"], ["evaluate"]])
def test_running_a_model_needs_no_torch(model_file, csv_file, command):
    code = """
import sys
from elman.cli import main
code = main(sys.argv[1:])
print(code, [m for m in ("torch", "sklearn", "pandas") if m in sys.modules], file=sys.stderr)
"""
    word, *rest = command
    more = [str(csv_file)] if word == "evaluate" else []
    done = subprocess.run(
        [sys.executable, "-c", code, word, str(model_file), *more, *rest],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "0 []"


def test_sigterm_keeps_the_best_and_resume_goes_on_to_the_same_bytes(csv_file, tmp_path, elman_command):
    slow = [
        "--hidden-size",
        "16",
        "--max-epochs",
        "12",
        "--members",
        "1",
        "--batch-size",
        "32",
        "--no-baselines",
    ]
    command = ["train", "people.csv", "--target", "origin", *slow]
    assert elman_command(*command, "-o", "whole.safetensors").returncode == 0

    code = "import sys; from elman.cli import main; sys.exit(main())"
    arguments = [sys.executable, "-c", code, *command, "-o", "cut.safetensors"]
    with subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "epoch 3/12" in line:
                break
        process.send_signal(signal.SIGTERM)
        err = process.stderr.read()
    assert process.returncode == 130
    assert "--resume goes on" in err
    assert elman.load(tmp_path / "cut.safetensors").training["complete"] is False

    refused = elman_command(*command, "-o", "cut.safetensors")
    assert (refused.returncode, "error[E114]" in refused.stderr) == (2, True)
    done = elman_command(*command, "-o", "cut.safetensors", "--resume")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cut.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not (tmp_path / "cut.safetensors.checkpoint").exists()


def test_divergence_ends_with_5_and_keeps_a_model(csv_file, elman_command, tmp_path):
    wild = ["--optimizer", "sgd", "--learning-rate", "1e30", "--clip", "none", "--recurrence", "rnn"]
    wild += ["--nonlinearity", "relu", "--no-baselines", "--max-epochs", "3"]
    done = elman_command("train", "people.csv", "--target", "origin", *wild)
    assert done.returncode == 5
    assert "error[E401]: learning diverged" in done.stderr
    assert "update" in done.stderr
    assert "help: lower the learning rate" in done.stderr


def test_a_reader_that_goes_away_is_no_error(model_file, csv_file):
    code = "import sys; from elman.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "predict", str(model_file), str(csv_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0


def test_doctor_says_what_is_there(capsys):
    code, out, _ = run("doctor", "--json", capsys=capsys)
    facts = json.loads(out)
    assert code == 0
    assert facts["elman"] == elman.__version__
    assert facts["libraries"]["numpy"]


def test_time_of_help_is_short():
    """The figure is in the closing notes; here only that nothing heavy is imported on the way."""
    code = "import sys; from elman.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numpy', 'rich', 'torch', 'sklearn') if m in sys.modules])"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - start < 5
