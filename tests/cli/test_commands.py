"""The other commands: help, info, bench."""

import subprocess
import sys
import textwrap

import pytest

from mriops import __version__
from mriops.cli import bench, main, progress

from .conftest import ENVIRONMENT


def test_help_of_every_command(mriops):
    top = mriops("--help")
    assert top.returncode == 0
    for name in ("recon", "demo", "info", "bench"):
        assert name in top.stdout
        assert mriops(name, "--help").returncode == 0
    assert mriops("--version").stdout.strip() == f"mriops {__version__}"


def test_info_of_the_installation(mriops):
    done = mriops("info")
    assert "mriops" in done.stdout and "_cpu" in done.stdout


def test_info_of_a_file(scan_file, capsys):
    assert main(["info", str(scan_file)]) == 0
    out = capsys.readouterr().out
    for text in ("ismrmrd", "slice 3, coil 4, y 48, x 40", "4 ms", "noise scan      500 samples", "(20, 40)"):
        assert text in out
    assert main(["info", str(scan_file.parent)]) == 1
    assert "got a folder" in capsys.readouterr().err


def test_without_torch_it_says_what_to_install(tmp_path):
    """A finder that hides torch: the report still works, commands and rooms name the extra that brings it."""
    code = """
        import importlib.abc, sys
        class Hidden(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "torch":
                    raise ModuleNotFoundError("No module named 'torch'", name="torch")
        sys.meta_path.insert(0, Hidden())
        import importlib.util
        found = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == "torch" else found(name, *rest)
        from mriops.cli import main
        main(["info"])
        assert main(["recon", "x.h5"]) == 1
        try:
            from mriops import ops
        except ImportError as error:
            sys.stderr.write(str(error))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert "_cpu     built with" in done.stdout, done.stderr
    assert "mriops recon needs torch, which is not installed: pip install 'mriops[cli]'" in done.stderr
    assert "mriops.ops needs torch >= 2.6, which is not installed: pip install 'mriops[torch]'" in done.stderr


def test_help_starts_without_torch():
    code = "import sys; from mriops.cli.main import parser; parser(); assert 'torch' not in sys.modules"
    import sys

    from .conftest import ENVIRONMENT

    assert subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT).returncode == 0


def test_small_benchmark(capsys):
    bench._small(1, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["mask", "mriops", "torch.fft", "ratio", "difference"]
    # Same operator by two routes, complex64.
    assert all(float(line.split()[-1]) < 1e-5 for line in lines[2:])


def test_bench_has_threads_only_without_the_tree(capsys):
    assert main(["bench", "--threads", "2"]) == 1
    assert "--threads: expected none in a source tree" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--max-iter", "many"], "argument --max-iter: expected a positive integer, got 'many'"),
        (["--max-iter", "0"], "argument --max-iter: expected a positive integer, got '0'"),
        (["--tol", "small"], "argument --tol: expected a number >= 0, got 'small'"),
        (["--tol", "nan"], "argument --tol: expected a number >= 0, got 'nan'"),
    ],
)
def test_numbers_that_are_none_are_named(option, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["recon", "scan.h5", *option])
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_bench_refuses_arguments_without_the_tree(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "__file__", str(tmp_path / "a" / "b" / "c" / "bench.py"))
    assert main(["bench", "--", "--case", "x"]) == 1
    assert "expected no further arguments without the source tree" in capsys.readouterr().err


def test_progress_lines(capsys):
    with progress.progress("work", 3, done=1) as bar:
        bar.advance("a")
        bar.advance()
    assert capsys.readouterr().err == "work 2/3 a\nwork 3/3 \n"
    with progress.progress("work", 1, quiet=True) as bar:
        bar.advance()
    assert capsys.readouterr().err == ""


def test_names_that_the_terminal_cannot_show(scan_file, tmp_path):
    command = [sys.executable, "-m", "mriops.cli", "recon", scan_file, "-o", tmp_path / "größe", "--method", "rss"]
    done = subprocess.run(command, capture_output=True, text=True, env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0 and "gr\\xf6\\xdfe" in done.stdout, done.stderr
