def wait(pid):
    """Wait for a child; one that hangs is made to leave a core."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            if os.WIFSIGNALED(status):
                print(
                    "crashes: the child of a fork, by", signal.Signals(os.WTERMSIG(status)).name, flush=True
                )
            if status:
                sys.exit(f"the child ended with wait status {status}")
            return
        time.sleep(0.01)
    print("hangs: the child of a fork", flush=True)
    os.kill(pid, signal.SIGABRT)
    os.waitpid(pid, 0)
    sys.exit("the child hangs")
