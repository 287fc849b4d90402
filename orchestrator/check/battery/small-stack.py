import sys
import threading
import types

NAMES = []
EXTENSIONS = []

# include use


def work():
    pass  # import
    use(NAMES)


threading.stack_size(256 * 1024)
thread = threading.Thread(target=work)
thread.start()
thread.join()
