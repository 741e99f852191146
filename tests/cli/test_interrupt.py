"""Ctrl-C: commands stop after what is at work, wherever Python drops the exception, and say so."""

import signal
import weakref

import pytest

from mriops.cli import main
from mriops.cli.interrupt import interruptible, stop_if_interrupted
from mriops.recon import reconstruct


def test_interrupt_is_not_an_error(scan_file, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mriops.cli.recon.reconstruct", interrupted)
    assert main(["recon", str(scan_file), "-o", str(tmp_path / "out")]) == 130
    assert "the same command continues" in capsys.readouterr().err


@pytest.fixture
def interrupts():
    """Interrupts as a process in the foreground has them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupt_in_a_callback():
    """An interrupt while an object goes that is weakly referred to: Python drops its exception there."""

    class Thing:
        pass

    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert reference() is None


def test_an_interrupt_that_python_drops(scan_file, tmp_path, capsys, monkeypatch, interrupts):
    def interrupted(*arguments):
        interrupt_in_a_callback()
        return reconstruct(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("mriops.cli.recon.reconstruct", interrupted)
        assert main(["recon", str(scan_file), "-o", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == (
        "recon 1/3 \nmriops: interrupted; finished slices are kept, the same command continues\n"
    )
    assert main(["recon", str(scan_file), "-o", str(tmp_path / "out")]) == 0
    assert "continuing: 1 of 3 slices" in capsys.readouterr().err


def test_an_interrupt_ends_one_command_only(interrupts):
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
    stop_if_interrupted()


def test_an_interrupt_that_becomes_another_error(scan_file, tmp_path, capsys, monkeypatch, interrupts):
    def interrupted(*_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("a callback failed") from None

    monkeypatch.setattr("mriops.cli.recon.reconstruct", interrupted)
    assert main(["recon", str(scan_file), "-o", str(tmp_path / "out")]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_other_exceptions_that_python_drops_are_told(tmp_path, capsys, monkeypatch, interrupts):
    class Thing:
        def __del__(self):
            raise ValueError("told")

    dropped = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: dropped.append(str(what.exc_value)))
    monkeypatch.setattr("mriops.cli.demo.run", lambda _: Thing() and 0)
    assert main(["demo", "-o", str(tmp_path / "out")]) == 0
    assert dropped == ["told"]


def test_interrupted_commands_that_keep_nothing_do_not_say_so(tmp_path, capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mriops.cli.demo.run", interrupted)
    assert main(["demo", "-o", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "mriops: interrupted\n"
