"""``collections.deque`` and ``Counter`` as classes over a list or a dict, which is what a transformed function makes of them."""


class Deque:
    """A list to which both ends can be added; one with ``maxlen`` drops items at the other end."""

    def __init__(self, iterable=(), maxlen=None):
        self.maxlen = maxlen
        self.items = list(iterable)
        if maxlen is not None:
            self.items = self.items[max(len(self.items) - maxlen, 0):]

    def append(self, x):
        """Add an item on the right."""
        self.items.append(x)
        if self.maxlen is not None and len(self.items) > self.maxlen:
            self.items.pop(0)

    def appendleft(self, x):
        """Add an item on the left."""
        self.items.insert(0, x)
        if self.maxlen is not None and len(self.items) > self.maxlen:
            self.items.pop()

    def extend(self, iterable):
        """Add items on the right."""
        for x in iterable:
            self.append(x)

    def extendleft(self, iterable):
        """Add items on the left, one by one."""
        for x in iterable:
            self.appendleft(x)

    def pop(self):
        """Remove the item on the right and return it."""
        return self.items.pop()

    def popleft(self):
        """Remove the item on the left and return it."""
        return self.items.pop(0)

    def clear(self):
        """Remove all items."""
        self.items = []

    def copy(self):
        """Return a deque of the same items."""
        return Deque(self.items, self.maxlen)

    def rotate(self, n=1):
        """Move ``n`` items from the right to the left."""
        size = len(self.items)
        if size > 0:
            cut = (size - n) % size
            self.items = [*self.items[cut:], *self.items[:cut]]

    def reverse(self):
        """Turn the order round."""
        self.items = self.items[::-1]

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return self.items

    def __reversed__(self):
        return self.items[::-1]

    def __contains__(self, x):
        return x in self.items

    def __getitem__(self, i):
        return self.items[i]

    def __setitem__(self, i, x):
        self.items[i] = x


class Counter:
    """A dict of numbers, zero for a key that it lacks."""

    def __init__(self, iterable=()):
        self.data = {}
        self.update(iterable)

    def update(self, iterable):
        """Count items, or add the numbers of a dict."""
        if isinstance(iterable, dict):
            for key, count in iterable.items():
                self.data[key] = self.data.get(key, 0) + count
        else:
            for key in iterable:
                self.data[key] = self.data.get(key, 0) + 1

    def __getitem__(self, key):
        return self.data.get(key, 0)

    def __setitem__(self, key, value):
        self.data[key] = value

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return list(self.data)

    def __contains__(self, key):
        return key in self.data

    def get(self, key, default=None):
        """Return what a key has, or the default."""
        return self.data.get(key, default)

    def total(self):
        """Return the sum of all numbers."""
        return sum(self.data.values())

    def keys(self):
        """Return the keys."""
        return self.data.keys()

    def values(self):
        """Return the numbers."""
        return self.data.values()

    def items(self):
        """Return pairs of keys and numbers."""
        return self.data.items()
