"""How fast steeping is said to be."""

from app.steeping_rate import Rate


def test_the_rate_is_that_of_the_work_without_the_rests():
    times = iter([0.0, 2.0, 2.0, 100.0, 103.0, 103.0])
    rate = Rate(now=lambda: next(times))
    rate.add(200)
    rate.start()
    rate.add(300)
    assert rate.per_second == 100


def test_the_rate_forgets_what_is_older_than_a_minute():
    clock = [0.0]
    rate = Rate(now=lambda: clock[0])
    for num_tokens in (1, 1, 600, 600):
        clock[0] += 30
        rate.add(num_tokens)
    assert rate.per_second == 20


def test_a_single_chunk_that_took_longer_than_the_window_still_counts():
    clock = [0.0]
    rate = Rate(now=lambda: clock[0], window_seconds=10)
    clock[0] = 40
    rate.add(400)
    assert rate.per_second == 10
