"""What is told of a build that failed: captured logs of pip, gcc and the engine."""

from orchestrator.images import failures

GCC = """\
Step 7/10 : WORKDIR /src
 ---> Running in 1a2b
Step 8/10 : RUN CFLAGS="-g -ffile-prefix-map=/src=p2" CXXFLAGS="-g -ffile-prefix-map=/src=p2" python3
 ---> Running in 9fd1
    error: subprocess-exited-with-error

    x Building wheel for crashy (pyproject.toml) did not run successfully.
    > [20 lines of output]
      running build_ext
      gcc -c src/crashy.c -o build/crashy.o
      src/crashy.c: In function 'deref':
      src/crashy.c:7:5: error: unknown type name 'retrn'
          7 |     retrn *p;
            |     ^~~~~
      error: command '/usr/bin/gcc' failed with exit code 1
      [end of output]

  ERROR: Failed building wheel for crashy
Removing intermediate container 9fd1
The command '/bin/sh -c ...' returned a non-zero code: 1
"""


def test_the_compilers_error_comes_before_what_pip_says_of_it() -> None:
    told = failures.telling(GCC.splitlines())
    assert told[:3] == [
        "src/crashy.c:7:5: error: unknown type name 'retrn'",
        "    7 |     retrn *p;",
        "      |     ^~~~~",
    ]
    step = failures.step(GCC.splitlines())
    assert step is not None
    assert step.startswith("Step 8/10 : RUN CFLAGS=")
    assert len(step) == failures.LONGEST_STEP


RUSTC = """\
Step 4/8 : RUN mkdir /out  && rustc --edition 2021
 ---> Running in 0a47
error[E0308]: mismatched types
  --> rust/tlsprobe.rs:54:23
   |
54 |         *self.uses += 1u64;
   |                       ^^^^ expected `i64`, found `u64`

error: aborting due to 1 previous error
Removing intermediate container 0a47
"""


def test_an_error_of_rustc_is_told_with_its_code_and_place() -> None:
    assert failures.telling(RUSTC.splitlines())[:5] == RUSTC.splitlines()[2:7]


IMP = """\
Step 9/11 : RUN CFLAGS="-g -ffile-prefix-map=/src=hiredis-2.0.0"
 ---> Running in 3b3fbdd9ad8a
  error: subprocess-exited-with-error
  x Preparing metadata (pyproject.toml) did not run successfully.
  exit code: 1
      Traceback (most recent call last):
        File "/opt/crashmatrix/build/lib/python3.13/setuptools/build_meta.py", line 317, in run_setup
          exec(code, locals())
        File "<string>", line 7, in <module>
      ModuleNotFoundError: No module named 'imp'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
error: metadata-generation-failed

x Encountered error while generating package metadata.

note: This is an issue with the package mentioned above, not pip.
Removing intermediate container 3b3fbdd9ad8a
"""


def test_the_name_of_a_step_of_pip_is_no_error_of_its_own() -> None:
    assert failures.telling(IMP.splitlines()) == ["ModuleNotFoundError: No module named 'imp'"]


def test_an_exception_of_a_backend_is_told_by_its_last_line() -> None:
    raised = "ModuleNotFoundError: No module named 'x'"
    log = ["Step 2/3 : RUN x", "Traceback (most recent call last):", '  File "a"', raised]
    assert failures.telling(log) == [raised]


def test_where_nothing_tells_the_cause_the_end_of_the_log_is_shown() -> None:
    lines = [f"line {number}" for number in range(20)]
    assert failures.telling(lines) == lines[-failures.MOST_LINES :]
    linker = ["ld: cannot find -lfoo", "collect2: error: ld returned 1"]
    assert failures.telling(linker) == linker


PODMAN = """\
STEP 1/4: FROM scratch
STEP 2/4: COPY nonce /a
--> c092045f6b93
STEP 3/4: COPY not-there /b
building at STEP "COPY not-there /b": checking on sources: copier: stat: "/not-there": no such file
"""


def test_the_steps_before_the_failed_one_are_not_its_cause() -> None:
    """Captured from Podman 5.8; the cause told was its first step, `FROM scratch`."""
    lines = PODMAN.splitlines()
    assert failures.step(lines) == "STEP 3/4: COPY not-there /b"
    assert failures.telling(lines) == lines[4:]
