"""What every Outbox promises. A scene has a ledger and outboxes of several processes on it."""

import pytest

from lifecycle.ledger import Draft, EntryKind
from registry_proxy.events.ports import Receiver
from registry_proxy.ledger.ports import Page


def a_receiver(name="ci", *, from_start=True):
    return Receiver(name, "http://127.0.0.1:9/", (b"s" * 24,), from_start)


class OutboxSuite:
    @pytest.fixture
    def outbox(self, scene):
        return scene.outbox()

    @pytest.fixture
    def write(self, scene):
        ledger = scene.open()

        def write(*models):
            for model in models:
                draft = Draft(EntryKind.POLICY, "ada", {"digest": "p"})
                ledger.append(model, ledger.state(model).seq, Page((draft,)))

        return write

    def seqs(self, outbox, receiver="ci", without=(), limit=100):
        return [entry.seq for entry in outbox.pending(receiver, without, limit)]

    def tell(self, outbox, *seqs, receiver="ci"):
        for entry in outbox.pending(receiver, (), 100):
            if entry.seq in seqs:
                outbox.told(receiver, entry)

    def test_a_receiver_is_told_of_what_comes_after_it(self, outbox, write):
        write("a", "b")
        outbox.join(a_receiver(from_start=False))
        assert self.seqs(outbox) == []

        write("a")
        assert self.seqs(outbox) == [3]

    def test_or_of_all_there_is(self, outbox, write):
        write("a", "b")
        outbox.join(a_receiver())

        assert self.seqs(outbox) == [1, 2]
        assert self.seqs(outbox, limit=1) == [1]

    def test_one_that_is_known_is_not_started_anew(self, outbox, write):
        outbox.join(a_receiver(from_start=False))
        write("a", "b")

        outbox.join(a_receiver(from_start=False))

        assert self.seqs(outbox) == [1, 2]

    def test_what_was_told_is_not_pending_and_each_model_goes_on_alone(self, outbox, write):
        outbox.join(a_receiver())
        write("a", "b", "a", "b")

        self.tell(outbox, 2, 4)

        assert self.seqs(outbox) == [1, 3]
        self.tell(outbox, 1)
        assert self.seqs(outbox) == [3]
        assert self.seqs(outbox, without=["a"]) == []

    def test_receivers_do_not_share_what_they_know(self, outbox, write):
        outbox.join(a_receiver("ci"))
        outbox.join(a_receiver("chat"))
        write("a")

        self.tell(outbox, 1, receiver="ci")

        assert self.seqs(outbox, "chat") == [1]

    def test_one_process_tells_at_a_time(self, outbox, scene):
        other = scene.outbox()
        outbox.join(a_receiver())

        assert outbox.lease("ci", "one", 60.0, 0.0)
        assert not other.lease("ci", "two", 70.0, 10.0)
        assert outbox.lease("ci", "one", 80.0, 20.0)
        assert other.lease("ci", "two", 141.0, 81.0)
        assert not outbox.lease("ci", "one", 150.0, 90.0)

    def test_who_lets_go_keeps_nobody_waiting(self, outbox, scene):
        outbox.join(a_receiver())
        outbox.lease("ci", "one", 60.0, 0.0)

        outbox.release("one")

        assert scene.outbox().lease("ci", "two", 70.0, 10.0)

    def test_nothing_is_lost_or_repeated_when_what_is_told_is_gathered(self, outbox, write):
        outbox.join(a_receiver())
        write("a", "b", "a", "c")
        self.tell(outbox, 1, 2, 4)

        assert outbox.lease("ci", "one", 60.0, 0.0)
        assert self.seqs(outbox) == [3]
        self.tell(outbox, 3)
        assert outbox.lease("ci", "one", 60.0, 0.0)
        write("b")
        assert self.seqs(outbox) == [5]
