"""Runs sosstack in a terminal of its own and draws the screen as an SVG: recording.py FILE."""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import termios
import time
from xml.sax.saxutils import escape

COLUMNS, ROWS = 112, 60
CELL, LINE, MARGIN = 8.0, 18, 16
BACKGROUND, TEXT = "#1b1f27", "#d8dee9"
COLOURS = ["#4c566a", "#e0707a", "#8fc77f", "#e5c07b", "#6fa8dc", "#c08fd0", "#67c2cc", "#d8dee9"]
PLAIN = (None, False, False)

# What devices publish while `tail` watches.
PUBLISHED = [
    ["device/device-12345/alert", '{"type":"FALL","confidence":0.93}', "--as", "device-12345", "--qos", "2"],
    ["panic/panic-0001/press", '{"type":"MEDICAL"}', "--as", "panic-0001", "--qos", "2"],
]
WATCHED = ["device/+/alert", "panic/+/press", "device.alerts", "emergency.created"]
# What they lead to in Kafka.
ARRIVED = [r"\n\S+  device\.alerts  ", r"\n\S+  emergency\.created  \S+\n(?:.*\n)*  \}"]


class Screen:
    """What a terminal makes of a program's output: as much of it as sosstack uses."""

    def __init__(self):
        self.rows, self.row, self.column, self.style, self.rest = [[]], 0, 0, PLAIN, ""

    def write(self, text):
        text = self.rest + text
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                code = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>78])").match(text, at)
                if not code:
                    break
                if code[2]:
                    self.control(code[1], code[2])
                at = code.end()
                continue
            if char == "\r":
                self.column = 0
            elif char == "\n":
                self.down()
            elif char >= " ":
                self.put(char)
            at += 1
        self.rest = text[at:]

    def down(self):
        self.row += 1
        while len(self.rows) <= self.row:
            self.rows.append([])

    def put(self, char):
        if self.column == COLUMNS:
            self.column = 0
            self.down()
        row = self.rows[self.row]
        row.extend([(" ", PLAIN)] * (self.column + 1 - len(row)))
        row[self.column] = (char, self.style)
        self.column += 1

    def control(self, values, letter):
        numbers = [int(value) for value in values.split(";") if value.isdigit()]
        count = max(numbers[0], 1) if numbers else 1
        if letter == "m":
            self.paint(numbers or [0])
        elif letter == "A":
            self.row = max(0, self.row - count)
        elif letter == "B":
            for _ in range(count):
                self.down()
        elif letter == "C":
            self.column = min(COLUMNS - 1, self.column + count)
        elif letter == "D":
            self.column = max(0, self.column - count)
        elif letter == "G":
            self.column = count - 1
        elif letter == "K":
            kept = 0 if numbers == [2] else self.column
            del self.rows[self.row][kept:]
        elif letter == "J":
            del self.rows[self.row][self.column :]
            del self.rows[self.row + 1 :]

    def paint(self, numbers):
        colour, bold, dim = self.style
        numbers = iter(numbers)
        for number in numbers:
            if number == 0:
                colour, bold, dim = PLAIN
            elif number == 1:
                bold = True
            elif number == 2:
                dim = True
            elif number == 22:
                bold = dim = False
            elif 30 <= number <= 37 or 90 <= number <= 97:
                colour = COLOURS[number % 10]
            elif number == 38 and next(numbers, 0) == 5:
                colour = COLOURS[next(numbers, 7) % 8]
            elif number == 39:
                colour = None
        self.style = (colour, bold, dim)

    def text(self):
        return "\n".join("".join(char for char, _ in row).rstrip() for row in self.rows)

    def prompt(self, command):
        self.column = 0
        self.write(f"\x1b[0m\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m\r\n")


class Program:
    """A command in a terminal of its own, whose output goes to the screen."""

    def __init__(self, screen, arguments):
        self.screen = screen
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
            os.execvp(arguments[0], arguments)

    def read(self, seconds):
        """Whether there is more to come."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.screen.write(data.decode("utf-8", "replace"))
        return bool(data)

    def wait_for(self, pattern, seconds):
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.screen.text()):
            if time.monotonic() > deadline or not self.read(0.1):
                sys.exit(f"recording: {pattern} was not printed in time:\n{self.screen.text()}")

    def end(self):
        while self.read(1):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def runs(row):
    """Neighbours of one style: column, text, style."""
    start = 0
    for at in range(1, len(row) + 1):
        if at == len(row) or row[at][1] != row[start][1]:
            text = "".join(char for char, _ in row[start:at])
            if text.strip():
                yield start + len(text) - len(text.lstrip()), text.strip(), row[start][1]
            start = at


def drawn(rows):
    width, height = COLUMNS * CELL + 2 * MARGIN, len(rows) * LINE + 2 * MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13">'
    )
    yield "<title>sosstack up --bridge, then sosstack tail</title>"
    yield f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
    for number, row in enumerate(rows):
        for column, text, (colour, bold, dim) in runs(row):
            looks = f'fill="{colour or TEXT}"' + (' font-weight="bold"' if bold else "") + (' opacity="0.6"' if dim else "")
            yield (
                f'<text x="{MARGIN + column * CELL:g}" y="{MARGIN + number * LINE + 13}" textLength="{len(text) * CELL:g}" '
                f'lengthAdjust="spacingAndGlyphs" xml:space="preserve" {looks}>{escape(text)}</text>'
            )
    yield "</svg>"


def main():
    screen = Screen()
    screen.prompt("sosstack up --bridge")
    if Program(screen, ["sosstack", "up", "--bridge"]).end() != 0:
        sys.exit(f"recording: up failed:\n{screen.text()}")
    screen.prompt(f"sosstack tail {shlex.join(WATCHED)}")
    tail = Program(screen, ["sosstack", "tail", *WATCHED])
    tail.wait_for("listening to", 30)
    for message in PUBLISHED:
        subprocess.run(["sosstack", "pub", "--quiet", *message], check=True, stdout=subprocess.DEVNULL)
    for pattern in ARRIVED:
        tail.wait_for(pattern, 30)
    rows = list(screen.rows)
    os.kill(tail.pid, signal.SIGINT)
    tail.end()
    while rows and not rows[-1]:
        rows.pop()
    os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("\n".join(drawn(rows)) + "\n")


main()
