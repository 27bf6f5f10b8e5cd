import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline import termination
from tests.support.paths import PROJECT

# A command that starts a shell, which starts a Python; both say who they are.
COMMAND = """
import subprocess, sys
from pipeline import __main__ as command_line, termination
from pipeline.commands import stages
termination._PATIENCE = float(sys.argv[2])
child = sys.argv[1]
def run(*_, **__):
    subprocess.run(["sh", "-c", f"{sys.executable} -c '{child}'; true"], check=True)
stages.run = run
sys.exit(command_line.main(["encode"]))
"""
PATIENT = "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"


def begin(child, patience=15):
    """The command, and the numbers of its shell and of the shell's Python."""
    command = [sys.executable, "-c", COMMAND, child, str(patience)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    return process, [int(number) for number in process.stdout.readline().split()]


def test_a_command_that_is_terminated_takes_all_its_processes_with_it():
    """Such as a server that would go on serving, or a training that nobody waits for."""
    process, descendants = begin(PATIENT)
    with process:
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not any(map(termination.is_running, descendants))


def test_a_process_that_does_not_want_to_end_is_killed():
    """After it has had the time to clean up."""
    process, descendants = begin(STUBBORN, patience=1)
    with process:
        process.terminate()
        assert process.wait(40) == 128 + signal.SIGTERM
    assert not any(map(termination.is_running, descendants))


def test_the_signal_means_what_it_meant_before_once_the_command_is_over():
    """A program that calls the command line keeps its own way of ending."""
    before = signal.getsignal(signal.SIGTERM)
    with termination.ends_its_processes():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_what_this_process_started_is_a_descendant():
    """Children and theirs; not the parent, nor a process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in termination.descendants(os.getpid())
        assert os.getppid() not in termination.descendants(os.getpid())
        assert termination.is_running(child.pid)
        child.kill()
        deadline = time.monotonic() + 10
        while termination.is_running(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert Path(f"/proc/{child.pid}").exists()  # not waited for
        assert not termination.is_running(child.pid)
