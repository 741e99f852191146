"""Interleaving, clocks and peak memory."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from benchmarks import cases, clock, memory
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


def test_brief_calls_are_repeated_until_caches_are_as_inside_an_iteration(monkeypatch):
    now, calls = [0.0], []

    def brief():
        calls.append("brief")
        now[0] += 0.03

    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=lambda seconds: None))

    def timer(call, count):
        call()
        return Sample(0.03, 0.03)

    clock.interleave([Contender("brief", "", brief, lambda x: x, timer=timer)], seconds=0.0, min_rounds=3)
    # Once for plans, one sample, and two with four calls of 0.03 s before them, the first past a tenth of a second.
    assert len(calls) == 1 + 1 + 2 * (4 + 1)


def test_long_calls_are_not_repeated(monkeypatch):
    monkeypatch.setattr(clock, "_BRIEF", 0.001)
    calls = []

    def long():
        calls.append("long")
        time.sleep(0.002)

    clock.interleave([Contender("long", "", long, lambda x: x)], seconds=0.0, min_rounds=3)
    assert len(calls) == 1 + 3


@pytest.mark.usefixtures("one_untimed_call")
def test_rounds_are_bounded():
    calls = []
    samples = clock.interleave([_contender("a", calls)], seconds=60.0, min_rounds=1, max_rounds=2)
    assert len(samples["a"]) == 2


@pytest.mark.usefixtures("one_untimed_call")
def test_who_used_up_its_time_sits_out():
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.02)

    contenders = [Contender("slow", "", slow, lambda x: x), _contender("fast", calls)]
    samples = clock.interleave(contenders, seconds=0.0, min_rounds=6, patience=0.03)
    assert [len(s) for s in samples.values()] == [2, 6]


@pytest.mark.usefixtures("one_untimed_call")
def test_a_call_that_takes_all_its_time_is_made_once():
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.02)

    contenders = [Contender("slow", "", slow, lambda x: x), _contender("fast", calls)]
    samples = clock.interleave(contenders, seconds=0.0, min_rounds=3, patience=0.01)
    assert [len(s) for s in samples.values()] == [1, 3]
    assert calls.count("slow") == 1
    assert samples["slow"][0].wall >= 0.02


@pytest.mark.usefixtures("one_untimed_call")
def test_idle_time_before_samples_is_not_counted():
    calls = []
    start = time.perf_counter()
    samples = clock.interleave([_contender("a", calls)], seconds=0.0, min_rounds=3, gap=0.01)
    assert time.perf_counter() - start >= 0.04
    assert all(sample.wall < 0.01 for sample in samples["a"])


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


def test_sleeping_costs_wall_time_only():
    sample = time_call(lambda: time.sleep(0.02))
    assert sample.wall >= 0.02
    assert sample.cpu < 0.01


def test_several_calls_are_averaged():
    count = []
    time_call(lambda: count.append(1), calls=7)
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
