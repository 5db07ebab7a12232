"""Reads records' times, one a line, and tells how long after each its line came."""

import sys
from datetime import datetime, timezone

late = []
for line in sys.stdin:
    now = datetime.now(timezone.utc)
    made = datetime.fromisoformat(line.strip().replace("Z", "+00:00"))
    late.append((now - made).total_seconds() * 1000)
late.sort()
if not late:
    sys.exit("no message came")
print("median %.0f ms, p99 %.0f ms of %d" % (late[len(late) // 2], late[len(late) * 99 // 100], len(late)))
