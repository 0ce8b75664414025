"""Writes to a PostgreSQL server every few milliseconds and logs what it feels. It knows nothing of the cockpit.

It writes through a name, which it resolves at the name server given, anew for every connection, and begins again at once
whenever anything fails. With --stay it keeps a session with a server that refuses writes, to see when it begins to take them.

Each line of its log is a write: when it was sent and when it was answered, in nanoseconds since 1970, `ok` or `no`, its
number, and the error. PGPASSWORD holds the password. It writes until it is told to stop (SIGTERM).
"""

import argparse
import os
import signal
import socket
import struct
import time

import psycopg


def resolve(server, name):
    """The address to which a name leads now."""
    host, port = server.rsplit(":", 1)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    query = struct.pack(">6H", os.getpid() & 0xFFFF, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(0.5)
        asked.sendto(query, (host, int(port)))
        answer = asked.recv(4096)
    at = len(query)
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        while answer[at] and answer[at] < 0xC0:
            at += 1 + answer[at]
        at += 2 if answer[at] else 1
        kind, _, _, length = struct.unpack(">2HIH", answer[at : at + 10])
        at += 10
        if kind == 1:
            return socket.inet_ntoa(answer[at : at + 4])
        at += length
    raise OSError(f"{name} leads nowhere")


def main():
    parser = argparse.ArgumentParser()
    for name in ["dns", "name", "port", "user", "database", "log"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--beat-ms", type=float, default=10)
    parser.add_argument("--stay", action="store_true")
    options = parser.parse_args()
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))

    def connect():
        return psycopg.connect(
            host=options.name,
            hostaddr=resolve(options.dns, options.name),
            port=options.port,
            user=options.user,
            password=os.environ["PGPASSWORD"],
            dbname=options.database,
            sslmode="disable",
            connect_timeout=2,
            autocommit=True,
        )

    session, number = None, 0
    due = time.monotonic()
    with open(options.log, "w", buffering=1) as log:
        while not stop:
            number += 1
            begun = time.time_ns()
            try:
                session = session or connect()
                session.execute("INSERT INTO beats VALUES (%s, %s)", (number, os.getpid()), prepare=False)
                log.write(f"{begun} {time.time_ns()} ok {number}\n")
            except (psycopg.Error, OSError) as error:
                log.write(f"{begun} {time.time_ns()} no {number} {' '.join(str(error).split())}\n")
                stays = options.stay and isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
                if session and not stays:
                    session.close()
                    session = None
            due = max(due + options.beat_ms / 1000, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0))


main()
