"""Real Flask as a judge: one JSON object per line comes in, one goes out, until the input ends.

    {"op": "sign", "keys": ["6b"], "values": ["{s61:i1}"]}
    {"ok": [{"cookie": "eyJhIjoxfQ.ZVPxAA.-1QlRaColPEibXlFRFd2EAdBB74"}]}

A request that the oracle itself cannot carry out is answered with {"error": text}. The operations are in judge.py,
the random ones in generate.py, that of templates in render.py, those of logins and forms in login.py. Only ASCII is sent, so that a lone surrogate cannot break the line.
"""

import json
import sys
import traceback

import answer
import generate
import judge
import login
import records
import render

OPERATIONS = {
    **judge.OPERATIONS,
    **generate.OPERATIONS,
    **answer.OPERATIONS,
    **records.OPERATIONS,
    **render.OPERATIONS,
    **login.OPERATIONS,
}


def reply(line):
    try:
        request = json.loads(line)
        operation = OPERATIONS.get(request.get("op"))
        if operation is None:
            return {"error": f"no operation {request.get('op')!r}; there are {', '.join(OPERATIONS)}"}
        return {"ok": operation(request)}
    except Exception:
        return {"error": traceback.format_exc()}


def main():
    sys.stdin.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(reply(line), separators=(",", ":")) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
