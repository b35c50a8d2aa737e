import numpy as np

from classify.cache import LogitCache


def test_the_least_recently_used_go_first():
    cache = LogitCache(capacity=2)
    one, two, three = (LogitCache.key(text, "") for text in ("satu", "dua", "tiga"))
    cache.put(one, np.array([1.0]))
    cache.put(two, np.array([2.0]))
    assert cache.get(one).tolist() == [1.0]
    cache.put(three, np.array([3.0]))
    assert cache.get(two) is None
    assert (cache.get(one).tolist(), cache.get(three).tolist(), len(cache)) == ([1.0], [3.0], 2)


def test_the_key_tells_pairs_apart():
    pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("2:ab", "c"), ("\ud800", ""), ("", "\ud800")]
    keys = {LogitCache.key(*pair) for pair in pairs}
    assert len(keys) == len(pairs)
    assert LogitCache.key("ab", "c") in keys


def test_what_is_kept_does_not_hold_the_batch_it_came_from():
    cache, batch = LogitCache(), np.arange(6.0).reshape(2, 3)
    cache.put(b"k", batch[1])
    batch[:] = 0
    assert cache.get(b"k").tolist() == [3.0, 4.0, 5.0]
    assert cache.get(b"k").base is None
