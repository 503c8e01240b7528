"""Data workers: gone a second after their trainer, and spoken of when one is killed."""

import multiprocessing
import os
import signal
import time

import pytest

from models.base.batching import Batches
from models.base.data import Utterances
from models.base.experiment import Experiment
from models.base.settings import TrainConfig
from models.base.workers import Desks, Reader
from tests.children import Child, toy
from tests.conftest import toy_config
from tests.test_trainer import wait_for
from tests.toy import program


class Deadly(Utterances):
    """Its worker is killed as it reads `at`."""

    at = -1

    def __getitem__(self, key):
        if key[1] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(key)


def deadly(corpus, at):
    experiment = Experiment.read(toy_config(corpus))
    data = Deadly(experiment.utterances("train"), experiment.features, ["mel"], [], seed=0)
    data.at = at
    return data


def test_another_error_is_not_taken_for_a_killed_worker(corpus):
    data = deadly(corpus, -1)
    reader = Reader(data, Batches(data.seconds, batch_size=4), 1)
    assert len(list(reader)) == 4
    reader.close(failed=True)
    assert reader.diagnosis(RuntimeError("out of memory"), TrainConfig(), None) == ""
    word = "DataLoader worker (pid(s) 1, 2) exited unexpectedly"
    assert "process 1, 2" in reader.diagnosis(RuntimeError(word), TrainConfig(), None)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_is_told_without_a_traceback(corpus, workers):
    data = deadly(corpus, -1)
    gone = data.utterances[7]
    before = set(children(os.getpid()))
    (corpus / "wavs" / f"{gone.id}.wav").unlink()
    reader = Reader(data, Batches(data.seconds, batch_size=4), workers)
    with pytest.raises(ValueError) as error:
        list(reader)
    reader.close(failed=True)
    assert set(children(os.getpid())) <= before, "whoever keeps the error keeps a worker, for which Python's exit waits"
    assert str(error.value).startswith(f"custom/{gone.id}: ") and "Traceback" not in str(error.value)
    assert reader.diagnosis(error.value, TrainConfig(), None) == ""


@pytest.mark.parametrize("workers", [1, 3])
def test_a_killed_worker_is_told_with_what_it_had(corpus, workers):
    data = deadly(corpus, 7)
    batches = Batches(data.seconds, batch_size=4, batch_seconds=30, seed=3)
    (batch,) = [batch for update in batches.plan(0) for batch in update if 7 in batch]
    reader = Reader(data, batches, workers)
    with pytest.raises((RuntimeError, OSError, EOFError)):
        list(reader)
    reader.close(failed=True)
    config = TrainConfig(workers=workers, batch_size=4, batch_seconds=30)
    # Whatever the error was: the end of a pipe may be seen before torch is told of the death.
    told = reader.diagnosis(ConnectionResetError("reset"), config, corpus / "step-00000004")
    assert all(f"custom/{data.utterances[i].id}" in told for i in batch), told
    others = [u.id for i, u in enumerate(data.utterances) if i not in batch]
    assert not any(name in told for name in others) and f"{len(batch)} utterance(s), {len(batch)}.0 s" in told
    for word in (f"train.workers (now {workers})", "train.batch_seconds (30)", "train.batch_size (4)", "step-00000004", "goes on"):
        assert word in told


def deadly_program():
    """A training whose worker is killed as it reads one utterance in the second epoch."""
    read = Utterances.__getitem__

    def deadly(self, key):
        if key == (1, 7):
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, key)

    Utterances.__getitem__ = deadly
    program()


def test_the_program_says_so_and_keeps_what_was_saved(corpus):
    """Killed in the second epoch, by the sixth update; the one before is kept, and the same command goes on from there."""
    config = toy_config(corpus, train={"workers": 1, "save_every": 1, "max_steps": 9})
    words = ("--config", str(config), "--name", "a")
    child = Child(deadly_program, words)
    code = child.wait()
    output = child.output()
    assert code == 2 and "Traceback" not in output, output
    told = output.split("error: ")[-1]
    utterance = Experiment.read(config).utterances("train")[7].id
    for word in (f"custom/{utterance}", "train.workers (now 1)", "goes on from there", "step-0000000"):
        assert word in told, output
    again = toy(*words)
    assert again.wait() == 0 and "going on from" in again.output(), again.output()


def test_no_worker_outlives_a_killed_training(corpus):
    config = toy_config(corpus, train={"workers": 3, "max_steps": 10**6, "save_every": 5, "valid_every": 10**6})
    child = toy("--config", str(config), "--name", "a")
    wait_for((corpus / "ckpts/a/checkpoint/step-00000005/card.json").is_file, child, 240)
    workers = children(child.pid)
    assert len(workers) == 3
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(1)
    assert not [worker for worker in workers if alive(worker)]


def children(process):
    with open(f"/proc/{process}/task/{process}/children") as file:
        return [int(number) for number in file.read().split()]


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_ended_training_has_no_workers(corpus):
    from models.base.trainer import Trainer

    before = set(children(os.getpid()))
    Trainer(Experiment.read(toy_config(corpus, train={"workers": 2})), "a").fit()
    assert set(children(os.getpid())) <= before


def closes_and_lingers():
    """Ends as the kernel ends a killed process: first what it has open, then itself."""
    os.closerange(3, 256)
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_whose_pipes_ended_before_it_is_gone():
    child = multiprocessing.get_context("fork").Process(target=closes_and_lingers)
    child.start()
    desks = Desks(1)
    desks.rows[0] = child.pid
    assert desks.gone() == [child.pid]
