import sys
import threading
import types

NAMES = []
EXTENSIONS = []

# include use


def work():
    pass  # import
    use(NAMES)


thread = threading.Thread(target=work)
thread.start()
thread.join()
