"""What `sosstack ledger verify --output json` found, in a line; with --strict, exit code 1 where a promise was broken."""

import json
import sys

with open(sys.argv[-1]) as said:
    verdict = json.load(said)


def total(what, least_qos):
    return sum(qos[what] for qos in verdict["qos"] if qos["qos"] >= least_qos)


print(
    f"{total('promised', 1)} acknowledged at QoS 1 and 2, {total('lost', 1)} lost, {total('duplicated', 1)} twice, "
    f"{total('reordered', 1)} out of order, {total('late', 1)} later than 5 s; "
    f"{total('promised', 0) - total('promised', 1)} sent at QoS 0, {total('lost', 0) - total('lost', 1)} lost"
)
sys.exit("--strict" in sys.argv and total("lost", 1) > 0)
