"""moto's server on a port, one request at a time.

    moto_server.py PORT

moto checks a condition and writes in two steps; in its own server, which has threads, two writers can both pass the check.
DynamoDB does not do that, so what is tested against moto must not meet it either.
"""

import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


def main():
    app = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def one_at_a_time(environ, start_response):
        with lock:
            return list(app(environ, start_response))

    run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True)


if __name__ == "__main__":
    main()
