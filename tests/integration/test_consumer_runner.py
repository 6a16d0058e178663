"""The runner with a handler of its own: what it makes of outcomes, errors and a stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from structlog.testing import capture_logs

from consumers.broker import Broker as ConsumerBroker
from consumers.delivery import Delivery, Done, Outcome, Reject, Retry
from consumers.handover import Handover
from consumers.inbox import Limits
from consumers.runner import EXIT_FATAL, EXIT_STOPPED, Options, Runner
from headgate import topology
from headgate.errors import Fatal, HeadgateError, Retriable
from headgate.failures import Cause
from headgate.publisher import Publisher
from tests.conftest import Broker
from tests.polling import eventually

QUEUE = "letters"


class Letters:
    """The smallest handler: one queue, and a function for each call of ``handle``."""

    def __init__(self, *answers: Callable[[Sequence[Delivery]], Sequence[Outcome]]) -> None:
        self.answers = list(answers)
        self.seen: list[list[bytes]] = []
        self.reported: list[HeadgateError] = []
        self.interrupted = threading.Event()
        self.ticks: list[Callable[[], None]] = []
        self.ticked = 0

    def queues(self) -> Sequence[str]:
        return [QUEUE]

    def declare(self, channel: BlockingChannel, queues: Sequence[str]) -> None:
        topology.declare(channel)
        for queue in queues:
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})

    def weight(self, delivery: Delivery) -> int:
        return len(delivery.body)

    def handle(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self.seen.append([delivery.body for delivery in deliveries])
        answer = self.answers.pop(0) if self.answers else done
        return answer(deliveries)

    def tick(self) -> None:
        self.ticked += 1
        if self.ticks:
            self.ticks.pop(0)()

    def interrupt(self) -> None:
        self.interrupted.set()

    def stopped(self, error: HeadgateError) -> None:
        self.reported.append(error)

    def close(self) -> None:
        pass


def done(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
    return [Done() for _ in deliveries]


def away(_: Sequence[Delivery]) -> Sequence[Outcome]:
    raise Retriable("the post office is closed")


def send(broker: Broker, handler: Letters, *bodies: bytes) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        channel = connection.channel()
        handler.declare(channel, [QUEUE])
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", QUEUE, body, mandatory=True)


def waiting(broker: Broker, queue: str) -> int:
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


def runner(
    broker: Broker,
    handler: Letters,
    *,
    letters: int = 1,
    shutdown: float = 10,
    until_idle: float | None = 0.2,
    handover: Handover | None = None,
) -> Runner:
    """One that handles so many letters together, as soon as all have come."""
    options = Options(Limits(1 << 20, letters, 1.0), tick=0.1, shutdown=shutdown, until_idle=until_idle)
    handover = handover or Handover(Publisher(broker.url, deadline=10), "letters")
    return Runner(handler, ConsumerBroker(broker.url, "letters", 8), handover, options)


def test_each_outcome_goes_its_way(broker: Broker) -> None:
    handler = Letters(lambda _: [Done(), Retry(0.1, "later"), Reject(Cause.UNDECODABLE, "unreadable")])
    send(broker, handler, b"one", b"two", b"three")
    assert runner(broker, handler, letters=3).run() == EXIT_STOPPED
    assert handler.seen == [[b"one", b"two", b"three"], [b"two"]]
    assert waiting(broker, QUEUE) == 0
    assert waiting(broker, topology.ERRORS_QUEUE) == 1


def test_a_consumer_is_not_idle_while_its_queue_has_messages(broker: Broker) -> None:
    """However long the broker takes to deliver them."""
    handler = Letters()
    send(broker, handler, *(b"%d" % number for number in range(20)))
    assert runner(broker, handler, until_idle=0.0).run() == EXIT_STOPPED
    assert handler.seen == [[b"%d" % number] for number in range(20)]


def test_messages_that_cannot_be_handed_over_stay_in_hand_and_only_the_first_is_waited_for(
    broker: Broker,
) -> None:
    def unreadable(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return [Reject(Cause.UNDECODABLE, "unreadable") for _ in deliveries]

    handler = Letters(unreadable)
    send(broker, handler, b"one", b"two", b"three")
    nowhere = Handover(Publisher("amqp://guest:guest@127.0.0.1:1/", deadline=0.3), "letters")
    with capture_logs() as logs:
        assert runner(broker, handler, letters=3, handover=nowhere).run() == EXIT_STOPPED
    assert [line["event"] for line in logs].count("message cannot go on yet") == 1
    assert handler.seen == [[b"one", b"two", b"three"]] * 2
    assert waiting(broker, QUEUE) == 0


def test_messages_are_held_while_a_server_is_away(broker: Broker) -> None:
    handler = Letters(away, away)
    send(broker, handler, b"one", b"two")
    assert runner(broker, handler, letters=2).run() == EXIT_STOPPED
    assert handler.seen == [[b"one", b"two"]] * 3
    assert waiting(broker, QUEUE) == 0


def test_an_error_that_needs_a_person_stops_with_the_messages_kept(broker: Broker) -> None:
    def broken(_: Sequence[Delivery]) -> Sequence[Outcome]:
        raise Fatal("the address book is gone")

    handler = Letters(broken)
    send(broker, handler, b"one", b"two")
    assert runner(broker, handler).run() == EXIT_FATAL
    assert [str(error) for error in handler.reported] == ["the address book is gone"]
    eventually(lambda: waiting(broker, QUEUE) == 2)


def test_a_bug_stops_like_an_error_and_loses_nothing(broker: Broker) -> None:
    handler = Letters(lambda deliveries: [Done()] * (len(deliveries) + 1))
    send(broker, handler, b"one")
    assert runner(broker, handler).run() == EXIT_FATAL
    assert "ValueError" in str(handler.reported[0])
    eventually(lambda: waiting(broker, QUEUE) == 1)


def test_a_stop_waits_for_what_is_under_way_but_not_for_ever(broker: Broker) -> None:
    release = threading.Event()

    def stuck(deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        running.stop()
        release.wait(30)
        return done(deliveries)

    handler = Letters(stuck)
    send(broker, handler, b"one")
    running = runner(broker, handler, shutdown=0.5)
    assert running.run() == EXIT_STOPPED
    release.set()
    assert handler.interrupted.is_set()
    eventually(lambda: waiting(broker, QUEUE) == 1)


def test_the_clock_is_followed_without_messages_and_through_an_outage(broker: Broker) -> None:
    def away_for_now() -> None:
        raise Retriable("the post office is closed")

    handler = Letters()
    running = runner(broker, handler, until_idle=None)
    handler.ticks = [away_for_now, lambda: None, running.stop]
    assert running.run() == EXIT_STOPPED
    assert handler.ticked == 3
    assert handler.reported == []


def test_the_clock_is_followed_while_the_broker_is_away(broker: Broker) -> None:
    handler = Letters()
    running = Runner(
        handler,
        ConsumerBroker("amqp://guest:guest@127.0.0.1:1/", "letters", 8),
        Handover(Publisher(broker.url, deadline=10), "letters"),
        Options(Limits(1 << 20, 4, 0.05), tick=0.1),
    )
    handler.ticks = [lambda: None, lambda: None, running.stop]
    assert running.run() == EXIT_STOPPED
    assert handler.ticked == 3


def test_a_tick_that_needs_a_person_stops_the_consumer(broker: Broker) -> None:
    def broken() -> None:
        raise Fatal("the clock is broken")

    handler = Letters()
    handler.ticks = [broken]
    assert runner(broker, handler, until_idle=None).run() == EXIT_FATAL
    assert [str(error) for error in handler.reported] == ["the clock is broken"]


def test_a_queue_that_has_messages_and_delivers_none_is_read_anew(broker: Broker) -> None:
    """Here because another consumer is the only active one, and full."""
    arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
    handler = Letters()
    handler.declare = lambda channel, queues: None  # type: ignore[method-assign]
    ours = ConsumerBroker(broker.url, "letters", 8)
    taken: list[bytes] = []
    with closing(pika.BlockingConnection(pika.URLParameters(broker.url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("lone", durable=True, arguments=arguments)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("lone", lambda *found: taken.append(found[-1]))
        for body in (b"taken", b"withheld"):
            channel.basic_publish("", "lone", body)
        eventually(lambda: connection.process_data_events(time_limit=0.1) or taken)
        ours.open()
        with closing(ours):
            ours.subscribe(handler, ["lone"])
            assert ours.pump(0.2) == []
            ours.check_flow()
            with pytest.raises(Retriable, match="delivers nothing of lone"):
                ours.check_flow()


def test_a_queue_that_delivers_between_two_checks_is_left_alone(broker: Broker) -> None:
    handler = Letters()
    send(broker, handler, *(b"letter" for _ in range(20)))
    ours = ConsumerBroker(broker.url, "letters", 8)
    ours.open()
    with closing(ours):
        ours.subscribe(handler, [QUEUE])
        while len(arrived := ours.pump(1)) == 0:
            pass
        ours.check_flow()
        for delivery in arrived:
            ours.ack(delivery)
        while not ours.pump(1):
            pass
        ours.check_flow()
