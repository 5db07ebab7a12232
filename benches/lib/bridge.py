"""Loads, clocks and judges of bridge.sh: one purpose a command, named by the first argument."""

import json
import random
import re
import subprocess
import sys
import time
import urllib.request

SIZE = 200


def padded(beginning):
    """A JSON object of 200 bytes that begins like this, without its closing brace."""
    return '%s,"pad":"%s"}' % (beginning, "x" * (SIZE - len(beginning) - 10))


def envelopes(count):
    """Messages of 200 bytes from 1,000 devices, as envelopes at QoS 1."""
    for n in range(int(count)):
        device = "bench-%04d" % (n % 1000)
        payload = padded('{"deviceId":"%s","n":%d' % (device, n))
        print('{"topic":"device/%s/status","qos":1,"value":%s}' % (device, payload))


def numbered(sender, count):
    """Messages of 200 bytes of one sender, in order."""
    for n in range(int(count)):
        print(padded('{"sender":%s,"n":%d' % (sender, n)))


def pace(rate, seconds):
    """Messages that say when they were to be sent, at that time, whatever became of the ones before."""
    start, gap = time.monotonic_ns(), 1e9 / float(rate)
    for n in range(int(float(rate) * float(seconds))):
        due = start + int(n * gap)
        wait = due - time.monotonic_ns()
        if wait > 0:
            sys.stdout.flush()
            time.sleep(wait / 1e9)
        print(padded('{"due":%d' % due))


def late(file):
    """Notes in a file by how many microseconds each message comes later than it was due."""
    due = re.compile(r'"due":(\d+)')
    with open(file, "a") as notes:
        for line in sys.stdin:
            now = time.monotonic_ns()
            notes.write("%d\n" % ((now - int(due.search(line).group(1))) // 1000))


def percentiles(file):
    """The median and the 99th percentile of a file's numbers."""
    numbers = sorted(map(int, open(file)))
    print(numbers[len(numbers) // 2], numbers[len(numbers) * 99 // 100], len(numbers))


class Metrics:
    """What a bridge counts."""

    def __init__(self, url):
        self.url = url

    def read(self):
        text = urllib.request.urlopen(self.url, timeout=5).read().decode()
        found = re.findall(r"^sosstack_bridge_(\w+)(?:\{(.*?)\})? (\S+)$", text, re.M)
        return {(name, labels): float(value) for name, labels, value in found}

    def total(self, name):
        return sum(value for (of, _), value in self.read().items() if of == name)

    def lane(self, name, lane):
        return self.read().get((name, 'lane="%s"' % lane), 0)


def drained(url, count):
    """Milliseconds from the last look without a message until the bridge has had this many acknowledged."""
    metrics, count = Metrics(url), int(count)
    began = time.monotonic()
    while True:
        looked = time.monotonic()
        try:
            received, delivered = metrics.total("received_total"), metrics.total("delivered_total")
        except OSError:
            received, delivered = 0, 0
        if received == 0:
            began = looked
        if delivered >= count:
            print(round((time.monotonic() - began) * 1000))
            return
        time.sleep(0.005)


def await_journal(url, count, pid):
    """Watches the bridge's memory until so many messages wait in its journal: "RATE PEAK_KIB,PEAK_KIB,…", in tenths."""
    metrics, count, peaks = Metrics(url), int(count), []
    began = time.monotonic()
    while True:
        now = metrics.total("journal_messages")
        while len(peaks) < 10 and now >= count * (len(peaks) + 1) / 10:
            peaks.append(peak_of(pid))
        if now >= count:
            print(round(now / (time.monotonic() - began)), ",".join(map(str, peaks)))
            return
        time.sleep(0.2)


def peak_of(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", open("/proc/%s/status" % pid).read()).group(1))


def peak(pid):
    """The most memory that a process has had resident, in KiB."""
    print(peak_of(pid))


def press_after_outage(url, brokers):
    """Milliseconds from when a producer of its own gets something into emergency.created until the bridge did."""
    metrics = Metrics(url)
    before = metrics.lane("delivered_total", "emergencies")
    probe, accepted, pressed = None, None, None
    command = ["kcat", "-P", "-b", brokers, "-t", "emergency.created", "-X", "acks=all", "-X", "message.timeout.ms=300"]
    while accepted is None or pressed is None:
        if pressed is None and metrics.lane("delivered_total", "emergencies") > before:
            pressed = time.monotonic()
        if accepted is None:
            if probe is None:
                probe = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
                probe.stdin.write(b"probe\n")
                probe.stdin.close()
            elif probe.poll() is not None:
                accepted = time.monotonic() if probe.returncode == 0 else None
                probe = None
        time.sleep(0.005)
    print(round((pressed - accepted) * 1000))


def replayed(url):
    """Seconds until nothing waits in the journal any more."""
    metrics, began = Metrics(url), time.monotonic()
    while metrics.total("journal_messages") > 0:
        time.sleep(0.1)
    print("%.1f" % (time.monotonic() - began))


def order(senders, count):
    """Fails unless each sender's messages are all there, the first of each in order; tells how many came again."""
    seen = [bytearray(int(count)) for _ in range(int(senders))]
    last, again = [-1] * int(senders), 0
    numbers = re.compile(r'"sender":(\d+),"n":(\d+)')
    for line in sys.stdin:
        found = numbers.search(line)
        if not found:
            continue
        sender, n = map(int, found.groups())
        if seen[sender][n]:
            again += 1
            continue
        seen[sender][n] = 1
        if n < last[sender]:
            sys.exit("sender %d: %d came after %d" % (sender, n, last[sender]))
        last[sender] = n
    missing = sum(row.count(0) for row in seen)
    if missing:
        sys.exit("%d messages are missing" % missing)
    print(again)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
