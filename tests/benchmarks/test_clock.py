"""Interleaving, clocks and peak memory."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from benchmarks import cases, clock, contender, memory
from benchmarks.case import Built, Case
from benchmarks.contender import Contender, Sample, time_call, version_of

SIZE = 64 << 20
SLACK = 4 << 20  # the kernel counts resident pages in batches per thread


def _contender(name, calls):
    return Contender(name, "", lambda: calls.append(name), lambda x: x)


@pytest.fixture
def one_untimed_call(monkeypatch):
    monkeypatch.setattr(clock, "_WARM", 0.0)


@pytest.mark.usefixtures("one_untimed_call")
def test_contenders_take_turns():
    calls = []
    samples = clock.interleave([_contender("a", calls), _contender("b", calls)], seconds=0.0, min_rounds=3)
    # The first of each is for plans; later ones come in pairs, once a call is known to be brief.
    assert calls == ["a", "b"] * 2 + ["a", "a", "b", "b"] * 2
    assert [len(s) for s in samples.values()] == [3, 3]


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def contender(self, name: str, calls: list[str], seconds: float) -> Contender:
        """Something whose calls take that long."""

        def call():
            calls.append(name)
            self.sleep(seconds)

        def timer(call, count):
            start = self.now
            for _ in range(count):
                call()
            return Sample(self.now - start, self.now - start)

        return Contender(name, "", call, lambda x: x, timer=timer)


@pytest.fixture
def hand(monkeypatch):
    stopped = Clock()
    monkeypatch.setattr(clock, "time", stopped)
    return stopped


def test_brief_calls_are_repeated_until_caches_are_as_inside_an_iteration(hand):
    calls = []
    clock.interleave([hand.contender("brief", calls, 0.03)], seconds=0.0, min_rounds=3)
    # Once for plans, one sample, and two with four calls of 0.03 s before them, the first past a tenth of a second.
    assert len(calls) == 1 + 1 + 2 * (4 + 1)


def test_long_calls_are_not_repeated(hand):
    calls = []
    clock.interleave([hand.contender("long", calls, 1.5)], seconds=0.0, min_rounds=3, patience=60.0)
    assert len(calls) == 1 + 3


def test_rounds_are_bounded(hand):
    samples = clock.interleave([hand.contender("a", [], 0.03)], seconds=60.0, min_rounds=1, max_rounds=2)
    assert len(samples["a"]) == 2


def test_rounds_go_on_while_there_is_time(hand):
    samples = clock.interleave([hand.contender("a", [], 2.0)], seconds=11.0, min_rounds=1, patience=60.0)
    assert len(samples["a"]) == 6


def test_who_used_up_its_time_sits_out(hand):
    contenders = [hand.contender("slow", [], 2.0), hand.contender("fast", [], 0.01)]
    samples = clock.interleave(contenders, seconds=0.0, min_rounds=6, patience=3.0)
    assert [len(s) for s in samples.values()] == [3, 6]


def test_a_call_that_takes_all_its_time_is_made_once(hand):
    calls = []
    contenders = [hand.contender("slow", calls, 2.0), hand.contender("fast", calls, 0.01)]
    samples = clock.interleave(contenders, seconds=0.0, min_rounds=3, patience=1.0)
    assert [len(s) for s in samples.values()] == [1, 3]
    assert calls.count("slow") == 1
    assert samples["slow"][0].wall == 2.0


def test_idle_time_before_samples_is_not_counted(hand):
    samples = clock.interleave([hand.contender("a", [], 2.0)], seconds=0.0, min_rounds=3, gap=0.5, patience=60.0)
    assert hand.now == 4 * (2.0 + 0.5)
    assert [sample.wall for sample in samples["a"]] == [2.0] * 3


def test_threads_of_their_own_count():
    def elsewhere():
        thread = threading.Thread(target=lambda: sum(range(300_000)))
        thread.start()
        thread.join()

    before = time.thread_time()
    sample = time_call(elsewhere)
    assert sample.cpu > time.thread_time() - before


def test_names_must_differ():
    with pytest.raises(ValueError, match="distinct names"):
        clock.interleave([_contender("a", []), _contender("a", [])], seconds=0.0)


def test_wall_and_processor_time_of_several_calls_are_averaged(monkeypatch):
    now, used, count = [0.0], [0.0], []

    def call():
        count.append(1)
        now[0] += 2.0
        used[0] += 0.5

    monkeypatch.setattr(contender, "time", SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: used[0]))
    assert time_call(call, calls=7) == Sample(cpu=0.5, wall=2.0)
    assert len(count) == 7


def test_medians():
    samples = [Sample(3.0, 1.0), Sample(1.0, 9.0), Sample(2.0, 5.0)]
    assert clock.median_cpu(samples) == 2.0
    assert clock.median_wall(samples) == 5.0


def test_threads_are_put_back():
    before = torch.get_num_threads()
    with clock.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_peak_memory_sees_what_a_call_touches():
    peak = memory.peak_of(lambda: torch.ones(SIZE, dtype=torch.uint8))
    assert SIZE - SLACK <= peak < SIZE + SLACK


def test_peak_memory_sees_temporaries():
    def call():
        torch.ones(SIZE, dtype=torch.uint8)

    assert memory.peak_of(call) >= SIZE - SLACK


def test_peak_memory_of_a_peer_whose_set_up_starts_a_thread(monkeypatch):
    def build(peers):
        pool = ThreadPoolExecutor(1)
        pool.submit(len, "").result()  # a fork made from here on has no such thread, and waits for it
        call = pool.submit
        return Built(
            [Contender("peer", "", lambda: call(torch.ones, SIZE, dtype=torch.uint8).result(), lambda x: x)], len
        )

    monkeypatch.setattr(cases, "by_name", lambda names: [Case("a", "A", build)])
    monkeypatch.setattr(memory, "_LIMIT", 20)
    with clock.threads(1):
        assert memory.measure_here("a", ["peer", "absent"])["peer"] >= SIZE - SLACK


def test_unknown_field_of_the_process_status():
    with pytest.raises(ValueError, match="VmNothing"):
        memory.resident("VmNothing")


def test_versions():
    assert version_of("torch.fft") == version_of("torch C++ op") != ""
    assert version_of("no such software") == ""
