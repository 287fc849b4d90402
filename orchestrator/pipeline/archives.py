"""Images of a plan as an archive, from one machine's engine to another's."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestrator import images
from orchestrator.adapters.engine import Engine
from orchestrator.errors import HostError, InputError
from orchestrator.pipeline.planning import PlannedRun

Say = Callable[[str], None]


def save_images(planned: PlannedRun, file: Path, say: Say) -> None:
    """Write the images of a plan that the engine has as one archive, in place of what is there.

    Raises InputError where the engine has none of them, HostError where the file cannot be written.
    """
    engine = Engine.connect()
    try:
        present = dict(engine.present({spec.key: spec.tag for spec in planned.specs}))
        here = [spec for spec in planned.specs if spec.key in present]
        if not here:
            raise InputError(
                "the engine has none of these images", hint="make them first with `crashmatrix build`"
            )
        _write(engine, [spec.tag for spec in here], file)
    finally:
        engine.close()
    with images.opened(file) as archive:
        saved = len(archive.images(here))
    lacking = f"; {len(planned.specs) - saved} more are not here" if len(planned.specs) > saved else ""
    say(f"{file}: {saved} images, {file.stat().st_size / (1 << 20):,.0f} MiB{lacking}")


def _write(engine: Engine, tags: list[str], file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as out:
            try:
                engine.save(tags, out)
                Path(out.name).chmod(0o644)
                Path(out.name).replace(file)
            except BaseException:
                Path(out.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise HostError(
            f"{file} cannot be written: {error.strerror}", hint="make room, or name another file"
        ) from error


def load_images(planned: PlannedRun, file: Path, say: Say) -> None:
    """Load the images of a plan that an archive has and the engine lacks.

    Raises InputError, and loads none, where the archive is damaged or has another image under one of their
    names.
    """
    engine = Engine.connect()
    try:
        present = dict(engine.present({spec.key: spec.tag for spec in planned.specs}))
        with images.opened(file) as archive:
            found = archive.images(planned.specs)
            new = [item for item in found if item.spec.key not in present]
            if new:
                engine.load_all(archive.stream(new))
        lost = [item.spec.tag for item in new if engine.built(item.spec.tag, item.spec.key) is None]
    finally:
        engine.close()
    if lost:
        raise HostError(f"the engine did not take {lost[0]}", hint="see the engine's log")
    say(
        f"{file}: {len(new)} images loaded, {len(found) - len(new)} were here, "
        f"{len(planned.specs) - len(found)} are not in it"
    )
