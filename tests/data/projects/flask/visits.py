"""Counts visits, and writes them down when uWSGI ends the worker."""

import configparser

import orjson

try:
    import uwsgi
except ImportError:  # another server
    uwsgi = None

settings = configparser.ConfigParser()
with open("settings.ini") as file:
    settings.read_file(file)
REMEMBERED = settings.getint("visits", "remembered")

count = 0


def visit():
    global count
    count += 1
    return count


def history():
    """Each visit with the ones before it inside."""
    return b"[" * REMEMBERED + str(count).encode() + b"]" * REMEMBERED


def save():
    text = history()
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        print("not saved:", error, flush=True)
        return
    with open("visits.json", "wb") as file:
        file.write(text)


if uwsgi:
    uwsgi.atexit = save
